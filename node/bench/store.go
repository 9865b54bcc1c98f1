package bench

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
)

// Budgets of a store, DESIGN.md 11.
const (
	anonymousLoading = 160 // MiB
	anonymousAtRest  = 64  // MiB
	firstAnswer      = 1000
)

// store is one run of Store.
type store struct {
	dir     string // temporary, of all nodes
	box     string // the measured node's directory
	records int
	now     func() time.Time
	report  Report
}

// Store fills a whole node, a process of its own with figures, search and lines,
// with so many dossiers of about 500 bytes over its HTTP interface, and measures
// it from outside: how fast it takes them in and what that costs in memory, what
// it holds when it rests, how it answers and saves then, what lies on the disk,
// and how soon it answers after a clean end. The node encrypts what it stores.
func Store(ctx context.Context, dir string, records int, now func() time.Time, report Report) (err error) {
	dir, err = os.MkdirTemp(dir, "vungxa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := demo.Provision(dir, rand.Reader); err != nil {
		return err
	}
	if err := demo.Address(dir, "127.0.0.1:0"); err != nil {
		return err
	}
	s := &store{dir: dir, box: filepath.Join(dir, "box"), records: records, now: now, report: report}
	for _, step := range []func(context.Context) error{s.fill, s.open, s.syncs} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fill loads the records into a running node, and measures that node.
func (s *store) fill(ctx context.Context) (err error) {
	n, err := startNode(ctx, s.box, s.now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	memory := watch(n.pid())
	began := s.now()
	size, err := s.load(ctx)
	if err != nil {
		return errors.Join(err, memory.stop())
	}
	took := s.now().Sub(began).Seconds()
	if err := memory.stop(); err != nil {
		return err
	}
	s.report(Figure{Name: "records", Value: float64(s.records), Unit: "records"})
	s.report(Figure{Name: "record_json", Value: float64(size) / float64(s.records), Unit: "B"})
	s.report(Figure{Name: "load", Value: float64(s.records) / took, Unit: "records/s", AtLeast: true})
	s.report(Figure{Name: "anonymous_loading", Value: memory.peak, Unit: "MiB", Budget: budget(anonymousLoading)})
	rest, err := settle(ctx, n.pid(), s.now)
	if err != nil {
		return err
	}
	s.report(Figure{Name: "anonymous_rest_after_load", Value: rest, Unit: "MiB", Budget: budget(anonymousAtRest)})
	if err := s.answers(ctx, n); err != nil {
		return err
	}
	if err := s.saves(ctx, n); err != nil {
		return err
	}
	rest, err = settle(ctx, n.pid(), s.now)
	s.report(Figure{Name: "anonymous_rest_after_use", Value: rest, Unit: "MiB", Budget: budget(anonymousAtRest)})
	return err
}

// answers times single records and pages of 100 over HTTP, at places of a list
// that are drawn.
func (s *store) answers(ctx context.Context, n *nodeProcess) error {
	const pages, gets = 50, 2000
	chance := mathrand.New(mathrand.NewPCG(1, 0))
	var ids []string
	var page, get []time.Duration
	for range pages {
		began := s.now()
		list, _, err := n.page.search(ctx, map[string]any{
			"limit": 100, "sort": map[string]any{"field": "NgayTiepNhan", "desc": true},
			"filters": []map[string]any{{"field": "NgayTiepNhan", "op": "to", "value": receivedAt(chance.IntN(s.records)).Format(time.RFC3339)}},
		})
		if err != nil {
			return err
		}
		page = append(page, s.now().Sub(began))
		ids = append(ids, list...)
	}
	var first []time.Duration
	for range pages {
		began := s.now()
		if _, _, err := n.page.search(ctx, map[string]any{"limit": 100}); err != nil {
			return err
		}
		first = append(first, s.now().Sub(began))
	}
	for range gets {
		began := s.now()
		if err := n.page.get(ctx, "/collections/dossiers/records/"+ids[chance.IntN(len(ids))]); err != nil {
			return err
		}
		get = append(get, s.now().Sub(began))
	}
	spread(s.report, "get", get, time.Millisecond, "ms", nil)
	spread(s.report, "page_of_100", first, time.Millisecond, "ms", nil)
	spread(s.report, "page_of_100_filtered", page, time.Millisecond, "ms", nil)
	return nil
}

// saves times durable saves of one dossier each over HTTP, beside the same disk's
// own fsync of 4 KiB at the end of a file: turn by turn.
func (s *store) saves(ctx context.Context, n *nodeProcess) (err error) {
	f, err := os.Create(filepath.Join(s.dir, "fsync"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var saves, syncs []time.Duration
	for i := range 1000 {
		began := s.now()
		if err := n.save(ctx, s.records+i); err != nil {
			return err
		}
		saves = append(saves, s.now().Sub(began))
		took, err := fsync(f, s.now)
		if err != nil {
			return err
		}
		syncs = append(syncs, took)
	}
	spread(s.report, "save", saves, time.Millisecond, "ms", budget(2*percentile(syncs, 50, time.Millisecond)+2))
	spread(s.report, "disk_fsync", syncs, time.Millisecond, "ms", nil)
	return nil
}

func fsync(f *os.File, now func() time.Time) (time.Duration, error) {
	began := now()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return now().Sub(began), nil
}

// open weighs the closed store, opens it some times, and lets the last one rest.
func (s *store) open(ctx context.Context) (err error) {
	size, err := diskSize(s.box)
	if err != nil {
		return err
	}
	s.report(Figure{Name: "disk", Value: size / (1 << 20), Unit: "MiB"})
	s.report(Figure{Name: "disk_per_record", Value: size / float64(s.records), Unit: "B"})
	var took []time.Duration
	for range 4 {
		n, err := startNode(ctx, s.box, s.now)
		if err != nil {
			return err
		}
		took = append(took, n.answered)
		if err := n.stop(); err != nil {
			return err
		}
	}
	s.report(Figure{Name: "open_to_first_page_best", Value: percentile(took, 0, time.Millisecond), Unit: "ms", Budget: budget(firstAnswer)})
	s.report(Figure{Name: "open_to_first_page_worst", Value: percentile(took, 100, time.Millisecond), Unit: "ms", Budget: budget(firstAnswer)})
	n, err := startNode(ctx, s.box, s.now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	memory := watch(n.pid())
	began := s.now()
	if err := n.page.untilFigures(ctx); err != nil {
		return errors.Join(err, memory.stop())
	}
	s.report(Figure{Name: "open_to_figures", Value: s.now().Sub(began).Seconds(), Unit: "s"})
	if err := memory.stop(); err != nil {
		return err
	}
	s.report(Figure{Name: "anonymous_opening", Value: memory.peak, Unit: "MiB"})
	rest, err := settle(ctx, n.pid(), s.now)
	s.report(Figure{Name: "anonymous_rest_after_open", Value: rest, Unit: "MiB", Budget: budget(anonymousAtRest)})
	return err
}

// syncs counts the fsyncs of a save, where strace is there to count them.
func (s *store) syncs(ctx context.Context) error {
	const saves = 100
	n, trace, err := startTraced(ctx, s.box, s.now)
	if err != nil || n == nil {
		return err
	}
	before, err := trace()
	for i := range saves {
		if err == nil {
			err = n.save(ctx, s.records+2000+i)
		}
	}
	after, terr := trace()
	if err = errors.Join(err, terr, n.stop()); err == nil {
		s.report(Figure{Name: "fsyncs_per_save", Value: float64(after-before) / saves, Unit: "fsyncs", Budget: budget(2)})
	}
	return err
}

// diskSize is what a directory takes on the disk, in bytes.
func diskSize(dir string) (size float64, err error) {
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		size += allocated(info)
		return nil
	})
	return size, err
}

// load sends all records through the door of the command line, as an import does,
// and gives the size of their values as JSON.
func (s *store) load(ctx context.Context) (size int, err error) {
	control, err := daemon.ReadControl(s.box)
	if err != nil || control == nil {
		return 0, errors.Join(err, errors.New("the node left no control.json"))
	}
	return importDossiers(ctx, control, s.records)
}
