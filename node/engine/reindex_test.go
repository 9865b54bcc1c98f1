package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// laterPack asks more of the index than testPack: a filter on subject, and words
// without those of code.
var laterPack = strings.NewReplacer(
	"policy: review, search: true, sortable: true}", "policy: review, search: true, sortable: true, filter: true}",
	"kind: assign, policy: lww, search: true, sortable: true}", "kind: assign, policy: lww, sortable: true}",
).Replace(testPack)

// gate holds the engine's work behind the office, a step at a time.
type gate struct {
	of            string
	arrived, pass chan struct{}
}

func newGate(of string) *gate { return &gate{of, make(chan struct{}), make(chan struct{})} }

func (g *gate) step(ctx context.Context, name string) error {
	if name != g.of {
		return nil
	}
	select {
	case g.arrived <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-g.pass:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// fill imports n records, their numbers beginning at from.
func (p *peer) fill(from, n int) {
	p.t.Helper()
	for at := from; at < from+n; at += crdt.MaxRecords {
		var rows []Row
		for i := at; i < min(at+crdt.MaxRecords, from+n); i++ {
			values := map[string]any{"subject": fmt.Sprintf("Việc %d", i%7), "source": fmt.Sprint(i), "received": testNow.UnixMilli() - int64(i)*3_600_000}
			if i%3 == 0 {
				values["state"] = "open"
			}
			rows = append(rows, Row{Key: fmt.Sprint(i), Values: values})
		}
		if _, err := p.Upsert(context.Background(), "a", "cases", rows, false); err != nil {
			p.t.Fatal(err)
		}
	}
}

// counted is how many records a query finds, and how many a plain walk does.
func (p *peer) counted(q Query, f func(map[string]any) bool) (found, want int) {
	p.t.Helper()
	err := p.Each("cases", func(v map[string]any) error {
		if f(v) {
			want++
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.search(q).Total, want
}

// With another pack the engine opens at once: the old index answers what both
// packs make alike, says of the rest that it is being made, and follows every
// save, until the new one is there.
func TestAnotherPackIsIndexedBehindTheOffice(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.fill(0, 500)
	p.close()

	g := newGate("behind")
	p.onStep = g.step
	p.openWith(laterPack)
	id := p.get(p.search(Query{}).Items[0].ID).ID
	open := Query{Filters: []Filter{{Field: "state", Op: Equal, Value: "open"}}}
	isOpen := func(v map[string]any) bool { return v["state"] == "open" }
	later := Query{Collection: "cases", Limit: 50, Filters: []Filter{{Field: "subject", Op: Equal, Value: "Việc 1"}}}
	steps := 0
	for {
		<-g.arrived
		if views, err := p.Views(); err != nil {
			t.Fatal(err)
		} else if !views[1].Behind() {
			g.pass <- struct{}{}
			break
		}
		steps++
		p.fill(10_000+100*steps, 3) // keys anywhere: before and behind where the build is
		p.edit(id, "", map[string]any{"state": []any{"open", "done", nil}[steps%3]})
		if found, want := p.counted(open, isOpen); found != want {
			t.Fatalf("step %d: the old index finds %d open; there are %d", steps, found, want)
		}
		for _, q := range []Query{later, {Collection: "cases", Limit: 50, Text: "viec"}} {
			if _, err := p.Search(context.Background(), q); node.CodeOf(err) != node.Unavailable {
				t.Fatalf("step %d: %+v: %v; want that it is being made", steps, q, err)
			}
		}
		p.sound()
		g.pass <- struct{}{}
	}
	if steps < 4 {
		t.Fatalf("the index was made in %d steps; want to look between them", steps)
	}
	for drop := true; drop; { // the old generation goes
		select {
		case <-g.arrived:
			g.pass <- struct{}{}
		case <-p.idle():
			drop = false
		}
	}
	p.sound()
	if found, want := p.counted(later, func(v map[string]any) bool { return v["subject"] == "Việc 1" }); found != want || want == 0 {
		t.Errorf("the new index finds %d; there are %d", found, want)
	}
	if n := p.search(Query{Text: "tam"}).Total; n != 0 {
		t.Errorf("the new pack looks for words in code: %d", n)
	}
	p.onlyRead()
}

// idle is closed when nothing is left to do behind the office.
func (p *peer) idle() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		p.rebuild.idle()
		close(done)
	}()
	return done
}

// onlyRead fails the test where something is left of generations that aren't read.
func (p *peer) onlyRead() {
	p.t.Helper()
	err := p.Store.View(func(tx *store.Tx) error {
		g, err := tx.Generations()
		if err != nil {
			return err
		}
		held, err := tx.Held()
		for _, n := range held {
			if n != g.Records && n != g.Index {
				p.t.Errorf("generation %d is left", n)
			}
		}
		if g.Build.Number != 0 || len(g.Drop) > 0 {
			p.t.Errorf("still to do: %+v", g)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// A pack that comes and goes while its index is being made leaves no stale row: the
// index of the first pack is not taken for whole again.
func TestBackToTheFirstPack(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.fill(0, 300)
	id := p.search(Query{}).Items[0].ID
	p.close()
	g := newGate("behind")
	p.onStep = g.step
	p.openWith(laterPack)
	<-g.arrived
	p.edit(id, "", map[string]any{"subject": "Hoàn toàn khác"}) // its words are kept up by neither index
	p.close()
	p.onStep = nil
	p.openWith(testPack)
	p.sound()
	if n := p.search(Query{Text: "hoan toan"}).Total; n != 1 {
		t.Errorf("%d records found by their new words; want 1", n)
	}
	p.onlyRead()
}

// childDir is set in the process that TestKilledWhileIndexing kills.
const childDir = "VUNGXA_TEST_INDEX_DIR"

// A process is killed after each step of making the index anew. What it had saved
// is there, either index is whole, and the next process ends what this one began.
func TestKilledWhileIndexing(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		indexUntilKilled(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("kills processes: left out of short runs")
	}
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.fill(0, 500)
	total := p.search(Query{}).Total
	for kill := 1; kill <= 9; kill += 2 {
		p.close()
		saved := killedAfter(t, childDir, p.dir, kill)
		p.openWith([]string{testPack, laterPack}[kill/2%2])
		p.sound()
		p.onlyRead()
		found := p.search(Query{}).Total
		if found < total+saved {
			t.Fatalf("killed after %d steps: %d records; %d were saved", kill, found, total+saved)
		}
		total = found
	}
}

// killedAfter runs a process on a store and kills it at a step; it says how many
// saves the process told of.
func killedAfter(t *testing.T, env, dir string, step int) (saved int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	// What the child makes for itself is taken away with the parent's.
	cmd.Env = append(os.Environ(), env+"="+dir, "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for steps := 0; steps < step && lines.Scan(); {
		switch lines.Text() {
		case "step":
			steps++
		case "saved":
			saved++
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		if lines.Text() == "saved" {
			saved++
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return saved
}

// indexUntilKilled makes a pack's index, whichever isn't there, and saves between
// the steps, without an end.
func indexUntilKilled(t *testing.T, dir string) {
	p := newPeer(t, "box", identity.RoleBox, dir, map[crdt.Device]identity.Role{})
	p.onStep = func(_ context.Context, name string) error {
		if name == "behind" {
			fmt.Println("step")
		}
		return nil
	}
	for n := 1; ; n++ {
		p.openWith([]string{testPack, laterPack}[n%2])
		p.create(map[string]any{"subject": "Giữa chừng"})
		fmt.Println("saved")
		p.settle()
		p.close()
	}
}
