package api

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vungxa/vungxa/node/engine"
)

// The page is told of every view how far it is: ready with a position, being
// computed, behind, or why not.
func TestViewsSayHowFarTheyAre(t *testing.T) {
	o := newOffice(t)
	b := o.signIn("lan")
	b.create("Đường hỏng")
	for _, v := range b.ask("GET", "/api/v0/node", nil).is(200).json["views"].([]any) {
		v := v.(map[string]any)
		if v["state"] != "ready" || v["position"] != 1.0 || v["store"] != 1.0 {
			t.Errorf("view %v; want it ready at 1", v)
		}
	}
	if k := b.ask("GET", "/api/v0/kpis", nil).is(200).json; k["position"] != 1.0 || k["unread"] != 0.0 {
		t.Errorf("figures at %v, %v unread; want 1 and 0", k["position"], k["unread"])
	}
	for _, c := range []struct {
		of   engine.ViewState
		want string
	}{
		{engine.ViewState{Ready: true, Position: 4, Store: 4}, "ready"},
		{engine.ViewState{Ready: true, Position: 3, Store: 4}, "behind"},
		{engine.ViewState{Position: 4, Store: 4, Done: 7}, "computing"},
		{engine.ViewState{Ready: true, Err: errors.New("the disk")}, "failed"},
	} {
		if got := viewOf(c.of); got.State != c.want || got.Done != c.of.Done {
			t.Errorf("%s is shown as %s; want %s", fmt.Sprintf("%+v", c.of), got.State, c.want)
		}
	}
}
