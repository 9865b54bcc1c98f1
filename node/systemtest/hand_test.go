//go:build linux

package systemtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/imports"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
)

// atWork lets box and laptop import, save and sync while f does something to
// them, watches all ticks, and looks in the end for what was acknowledged.
func (c *commune) atWork(f func()) {
	c.t.Helper()
	over, end := context.WithCancel(c.t.Context())
	var work sync.WaitGroup
	defer work.Wait() // also after a failure: what runs on would speak of a test that is over
	defer end()
	var hands []*hand
	for _, p := range []*place{c.box, c.laptop} {
		h := newHand(c.t, p)
		hands = append(hands, h)
		work.Go(func() { h.importFiles(over) })
		work.Go(func() { h.saveByHand(over) })
	}
	for _, p := range c.places() {
		work.Go(func() { watchTicks(over, c.t, p) })
	}
	f()
	end()
	work.Wait()
	c.settled()
	c.complete(hands)
}

// month is that of every record with a date.
const month = "2025-03"

// hand is an office at one node: it imports one file after the other, and saves
// by hand, and remembers what was acknowledged.
type hand struct {
	*testing.T
	at         *place
	dir        string // of its files
	collection *schema.Collection
	mapping    *imports.Mapping

	mu    sync.Mutex      // guards what follows
	keys  map[string]bool // of rows; true when the node said that it has it
	names map[string]bool // of dossiers, likewise
	ids   map[string]bool // of dossiers, those that the node said

	counter      string // a petition that is changed again and again
	tried, acked int    // its newest values
}

const rowMapping = `
collection: petitions
time_zone: Asia/Ho_Chi_Minh
key: {from: so, prefix: thu/}
columns:
  NoiDung: {from: noi_dung}
  NgayTiepNhan: {from: ngay, format: "dd/MM/yyyy HH:mm"}
`

func newHand(t *testing.T, at *place) *hand {
	t.Helper()
	h := &hand{T: t, at: at, dir: t.TempDir(), keys: map[string]bool{}, names: map[string]bool{}, ids: map[string]bool{}}
	h.collection = petitions(t)
	var err error
	if h.mapping, err = imports.ReadMapping("rows.yaml", []byte(rowMapping)); err != nil {
		t.Fatal(err)
	}
	r, err := at.page.create("petitions", values{"NoiDung": "Sổ đếm ở " + at.name, "DiaDiem": "0"})
	if err != nil {
		t.Fatal(err)
	}
	h.counter = r.ID
	return h
}

func petitions(t *testing.T) *schema.Collection {
	t.Helper()
	pack, err := packs.Commune()
	if err != nil {
		t.Fatal(err)
	}
	c, ok := pack.Collection("petitions")
	if !ok {
		t.Fatal("there are no petitions")
	}
	return c
}

// importFiles imports files until the end. One that fails is imported again, as
// a person would, until it goes in.
func (h *hand) importFiles(over context.Context) {
	next := time.NewTicker(200 * time.Millisecond)
	defer next.Stop()
	for n := 0; over.Err() == nil; n++ {
		<-next.C
		file := h.write(n)
		err := within(patience, func() error {
			if h.Failed() {
				return nil
			}
			return h.importFile(file)
		})
		if err != nil {
			h.Errorf("%s never goes into %s: %v", filepath.Base(file), h.at.name, err)
			return
		}
	}
}

// write writes the nth file: some rows are in the other node's files too.
func (h *hand) write(n int) string {
	rows := []string{"so,noi_dung,ngay"}
	for i := range 150 {
		key := fmt.Sprintf("%s-%d-%d", h.at.name, n, i)
		if i%10 == 0 {
			key = fmt.Sprintf("chung-%d-%d", n, i)
		}
		rows = append(rows, fmt.Sprintf("%s,Phản ánh %s,%02d/03/2025 %02d:30", key, key, 1+i%28, i%24))
		h.note(h.keys, "thu/"+key, false)
	}
	file := filepath.Join(h.dir, fmt.Sprintf("%s-%d.csv", h.at.name, n))
	if err := os.WriteFile(file, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		h.Error(err)
	}
	return file
}

func (h *hand) note(where map[string]bool, what string, acknowledged bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	where[what] = where[what] || acknowledged
}

// importFile imports as the command line does, through the running node's door.
func (h *hand) importFile(file string) error {
	control, err := daemon.ReadControl(h.at.dir)
	if err != nil || control == nil {
		return errors.Join(errors.New("the node isn't running"), err)
	}
	door, err := client.New(client.Config{Page: control.URL, Secret: control.Secret, Collection: h.collection})
	if err != nil {
		return err
	}
	defer door.Close()
	report, err := imports.Run(h.Context(), imports.File(file), h.mapping, h.collection, &ear{door, h})
	if err == nil && report.Rejected > 0 {
		err = fmt.Errorf("%d rows were rejected: %v", report.Rejected, report.Faults)
	}
	return err
}

// ear is a sink that remembers the rows of which the node said that it has them.
type ear struct {
	imports.Sink
	h *hand
}

func (e *ear) Upsert(ctx context.Context, rows []imports.Row) ([]imports.Outcome, error) {
	outcomes, err := e.Sink.Upsert(ctx, rows)
	for i, o := range outcomes {
		if o.State != imports.Refused {
			e.h.note(e.h.keys, rows[i].Key, true)
		}
	}
	return outcomes, err
}

// saveByHand saves dossiers and changes one petition until the end. What fails
// isn't tried again: it may be there or not.
func (h *hand) saveByHand(over context.Context) {
	next := time.NewTicker(20 * time.Millisecond)
	defer next.Stop()
	for n := 0; over.Err() == nil; n++ {
		<-next.C
		name := fmt.Sprintf("Người thử %s %d", h.at.name, n)
		h.note(h.names, name, false)
		r, err := h.at.officer().create("dossiers", values{
			"MaTTHC": "2.000815", "ChuHoSo": name, "TrangThaiHoSo": "2", "NgayTiepNhan": "2025-03-04T03:00:00Z",
		})
		if err == nil {
			h.note(h.names, name, true)
			h.note(h.ids, r.ID, true)
		}
		if n%5 == 0 {
			h.count()
		}
	}
}

// count writes the next number into the counter.
func (h *hand) count() {
	r, err := h.at.officer().get("petitions", h.counter)
	if err != nil {
		return // it runs no more; that is what this test is about
	}
	h.tried++
	if _, err := h.at.officer().change("petitions", r, values{"DiaDiem": strconv.Itoa(h.tried)}); err == nil {
		h.acked = h.tried
	}
}

// watchTicks looks at the ticks of dossiers, which nobody changes: they never go
// back.
func watchTicks(over context.Context, t *testing.T, p *place) {
	shown := map[string]string{}
	next := time.NewTicker(150 * time.Millisecond)
	defer next.Stop()
	for over.Err() == nil {
		<-next.C
		records, err := p.officer().all("dossiers")
		if err != nil {
			continue // killed: after the restart they are all looked at again
		}
		for _, r := range records {
			if rank[r.Tick] < rank[shown[r.ID]] {
				t.Errorf("%s: %s had the tick %q and has %q", p.name, r.ID, shown[r.ID], r.Tick)
			}
			shown[r.ID] = r.Tick
		}
	}
	t.Logf("%s: the ticks of %d dossiers were watched", p.name, len(shown))
}

// complete looks on every node for what was acknowledged, and for what is there
// too often.
func (c *commune) complete(hands []*hand) {
	c.t.Helper()
	keys, names, ids := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, h := range hands {
		maps.Copy(keys, h.keys) // every file has gone in whole: all are true
		maps.Copy(names, h.names)
		maps.Copy(ids, h.ids)
	}
	for _, p := range c.places() {
		c.must(once(p, "petitions", "MaNguon", keys))
		c.must(once(p, "dossiers", "ChuHoSo", names))
		for id := range ids {
			_, err := p.page.get("dossiers", id)
			c.must(err)
		}
		for _, h := range hands {
			c.must(h.counted(p))
		}
	}
	figures := c.sameFigures(month)
	dossiers, err := c.province.page.total("dossiers", values{})
	c.must(err)
	if got := *figures["petitions"]["received"]; got != float64(len(keys)) {
		c.t.Errorf("the figures say %v petitions received; want %d", got, len(keys))
	}
	if got := *figures["dossiers"]["received"]; got != float64(dossiers) {
		c.t.Errorf("the figures say %v dossiers received; there are %d", got, dossiers)
	}
	c.t.Logf("%d rows, %d dossiers of %d tried, %d acknowledged; counters %d and %d", len(keys), dossiers, len(names), len(ids), hands[0].acked, hands[1].acked)
}

// once looks for each name in a field: just once if it was acknowledged, at most
// once otherwise, and nothing else.
func once(p *place, collection, field string, acknowledged map[string]bool) error {
	records, err := p.page.all(collection)
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, r := range records {
		if name, ok := r.Values[field].(string); ok {
			times[name]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(times)) {
		if _, known := acknowledged[name]; !known || times[name] > 1 {
			return fmt.Errorf("%s: %q is there %d times; known %v", p.name, name, times[name], known)
		}
	}
	for name, acked := range acknowledged {
		if acked && times[name] == 0 {
			return fmt.Errorf("%s: %q was acknowledged and is missing", p.name, name)
		}
	}
	return nil
}

// counted says whether the counter holds the newest acknowledged number, or a
// later one.
func (h *hand) counted(p *place) error {
	r, err := p.page.get("petitions", h.counter)
	if err != nil {
		return err
	}
	text, _ := r.Values["DiaDiem"].(string)
	n, err := strconv.Atoi(text)
	if err != nil || n < h.acked || n > h.tried || len(r.Conflicts) > 0 {
		return fmt.Errorf("%s: the counter of %s says %q, conflicts %v; acknowledged %d, tried %d", p.name, h.at.name, text, r.Conflicts, h.acked, h.tried)
	}
	return nil
}
