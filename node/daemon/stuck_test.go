package daemon_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// The province refuses what the box has sealed wrongly, once: the inbox says so with the
// reason, what is saved afterwards arrives, and what was refused arrives when it is mended
// and saved again.
func TestTheProvinceRefusesOne(t *testing.T) {
	dir := provision(t)
	province, _ := told(t, filepath.Join(dir, "province"))
	serve(t, province)
	box, _ := told(t, filepath.Join(dir, "box"))
	stop := serve(t, box)
	before := saveText(t, box, "Trước")
	b := signIn(t, box)
	const path = "collections/petitions/records/"
	b.comesTo("province", path+before.String())
	stop()

	box, log := told(t, filepath.Join(dir, "box"))
	var bad crdt.RecordID
	box.Misseal(func() {
		bad = saveText(t, box, "Hỏng")
		if _, err := box.Engine().Heads(demo.Scope()); err != nil { // seals
			t.Fatal(err)
		}
	})
	serve(t, box)
	b = signIn(t, box)
	item := map[string]any{}
	eventually(t, "the reason in the inbox", func() error {
		items, _ := b.ask("GET", "inbox?kind=refused", nil)["items"].([]any)
		if len(items) != 1 {
			return fmt.Errorf("the inbox has %v", items)
		}
		item = items[0].(map[string]any)
		return nil
	})
	why := item["why"].(map[string]any)
	if item["record"] != bad.String() || item["by"] != "Máy chủ tỉnh" || !strings.Contains(why["vi"].(string), "niêm phong") || !strings.Contains(why["en"].(string), "seal") {
		t.Errorf("it says %v", item)
	}
	eventually(t, "another log", func() error {
		if !strings.Contains(log.String(), "goes into a new one") {
			return errors.New(log.String())
		}
		return nil
	})
	after := saveText(t, box, "Sau")
	b.comesTo("province", path+after.String())

	r := b.ask("GET", path+bad.String(), nil)
	if r["tick"] != "office" {
		t.Errorf("what is refused has the tick %v", r["tick"])
	}
	values := map[string]any{}
	for _, w := range item["wrote"].([]any) { // as the page fills its form
		if said := w.(map[string]any); said["what"] == "written" {
			values[said["field"].(string)] = said["value"]
		}
	}
	values["NoiDung"] = "Đã sửa"
	b.ask("PATCH", path+bad.String(), map[string]any{"version": r["version"], "values": values, "again": true})
	b.comesTo("province", path+bad.String())
	if counts := b.ask("GET", "inbox/counts", nil); counts["refused"] != 0.0 {
		t.Errorf("it still waits: %v", counts)
	}
	v, err := province.Engine().Get(t.Context(), "petitions", bad)
	if err != nil || v.Values["NoiDung"] != "Đã sửa" {
		t.Errorf("the province has %+v, %v", v, err)
	}
}

// A peer that refuses whatever this device writes, by its own fault maybe, is given two
// new names and no more; one that has taken something of a log is given another one each
// time, and what no name helps is left alone.
func TestANameThatDoesntHelp(t *testing.T) {
	own, other := crdt.Device{1}, crdt.Device{2}
	name := func(d crdt.Device, i byte) crdt.LogID {
		return crdt.LogID{Device: d, Incarnation: crdt.Incarnation{i}, Scope: demo.Scope(), Class: crdt.ClassRecords}
	}
	seal, cut := reconcile.Held{Code: reconcile.Seal}, reconcile.Held{Code: reconcile.Ended}
	for what, c := range map[string]struct {
		held  map[crdt.LogID]reconcile.Held
		taken []crdt.LogID
		want  []crdt.LogID
	}{
		"a first entry":               {map[crdt.LogID]reconcile.Held{name(own, 1): seal}, nil, []crdt.LogID{name(own, 1)}},
		"an entry later":              {map[crdt.LogID]reconcile.Held{name(own, 1): seal, name(own, 2): seal, name(own, 3): seal}, []crdt.LogID{name(own, 3)}, []crdt.LogID{name(own, 3)}},
		"all of one, after part":      {map[crdt.LogID]reconcile.Held{name(own, 1): seal, name(own, 2): seal}, []crdt.LogID{name(own, 1)}, []crdt.LogID{name(own, 1), name(own, 2)}},
		"everything":                  {map[crdt.LogID]reconcile.Held{name(own, 1): seal, name(own, 2): seal}, nil, nil},
		"another device's":            {map[crdt.LogID]reconcile.Held{name(other, 1): seal}, nil, nil},
		"a device that was revoked":   {map[crdt.LogID]reconcile.Held{name(own, 1): cut}, nil, nil},
		"another device's beside one": {map[crdt.LogID]reconcile.Held{name(own, 1): seal, name(other, 1): seal}, nil, []crdt.LogID{name(own, 1)}},
	} {
		taken := map[crdt.LogID]bool{}
		for _, log := range c.taken {
			taken[log] = true
		}
		got := daemon.WorthLeaving(own, c.held, taken)
		slices.SortFunc(got, crdt.LogID.Compare)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v; want %v", what, got, c.want)
		}
	}
}

// told opens a node, and gives what it writes into its log.
func told(t *testing.T, dir string) (*daemon.Daemon, *notes) {
	t.Helper()
	log := &notes{}
	d, err := daemon.New(dir, daemon.Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return d, log
}

// notes is a log. Anyone may read it meanwhile.
type notes struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *notes) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *notes) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// serve runs a node until the test ends, or stop.
func serve(t *testing.T, d *daemon.Daemon) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, d.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	again, late := time.NewTicker(20*time.Millisecond), time.After(10*time.Second)
	defer again.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// browser is an officer's, at a node's page.
type browser struct {
	t      *testing.T
	url    string
	cookie *http.Cookie
	secret string
}

func signIn(t *testing.T, d *daemon.Daemon) *browser {
	t.Helper()
	link, err := d.SignIn()
	if err != nil {
		t.Fatal(err)
	}
	url, code, _ := strings.Cut(link, "#code=")
	b := &browser{t: t, url: url + "api/v0/"}
	b.secret, _ = b.ask("POST", "session", map[string]any{"code": code})["secret"].(string)
	return b
}

// ask is one request, which is granted.
func (b *browser) ask(method, path string, body any) (answer map[string]any) {
	b.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequest(method, b.url+path, bytes.NewReader(sent))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Vungxa-Session", b.secret)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		b.cookie = c
	}
	got, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(got, &answer)
	}
	if err != nil || resp.StatusCode >= 300 {
		b.t.Fatalf("%s %s: %s, %v, %s", method, path, resp.Status, err, got)
	}
	return answer
}

// comesTo waits until a record has a tick.
func (b *browser) comesTo(tick, path string) {
	b.t.Helper()
	eventually(b.t, "the tick of "+path, func() error {
		if r := b.ask("GET", path, nil); r["tick"] != tick {
			return fmt.Errorf("it is %v; want %s: %v", r["tick"], tick, r)
		}
		return nil
	})
}
