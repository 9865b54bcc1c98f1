package daemon

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica"
)

func TestTermsOfALine(t *testing.T) {
	var p Peer
	said := `{"device":"00","terms":{"hours":["22:00-05:30","12:00-24:00"],"kib":300,"minutes":10,"rest_minutes":60}}`
	if err := json.Unmarshal([]byte(said), &p); err != nil {
		t.Fatal(err)
	}
	got, err := p.Terms.terms()
	if err != nil || len(got.Hours) != 2 || got.Hours[0] != (replica.Hours{From: 22 * time.Hour, To: 5*time.Hour + 30*time.Minute}) || got.Hours[1].To != 24*time.Hour ||
		got.Budget != (reconcile.Allowance{Bytes: 300 << 10, Hard: 600 << 10}) || got.Time != 10*time.Minute || got.Rest != time.Hour {
		t.Errorf("%+v, %v", got, err)
	}
	if none, err := (*Terms)(nil).terms(); err != nil || len(none.Hours) > 0 {
		t.Errorf("no terms: %+v, %v", none, err)
	}
	for _, wrong := range []string{"", "22:00", "25:00-26:00", "mười giờ-sáu giờ"} {
		if _, err := (&Terms{Hours: []string{wrong}}).terms(); node.CodeOf(err) != node.Invalid {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
