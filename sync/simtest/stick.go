package simtest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
)

// stick is a directory that couriers carry from desk to desk, in no order. What it held
// once may be on another stick, and be brought again.
type stick struct {
	name string
	dir  string
	old  []map[string][]byte // what it held
}

// maxOld is how much of what a stick held is kept.
const maxOld = 4

func (w *World) newStick(name string) *stick {
	s := &stick{name: name, dir: filepath.Join(w.o.Dir, name)}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		w.fail("%s: %w", name, err)
	}
	return s
}

// planSticks has couriers bring sticks to desks, where there is a directory for them.
func (w *World) planSticks(d int) {
	if w.o.Dir == "" {
		return
	}
	if w.sticks == nil {
		w.sticks = []*stick{w.newStick("stick A"), w.newStick("stick B")}
	}
	for range 4 + w.draw.IntN(5) {
		s := w.sticks[w.draw.IntN(len(w.sticks))]
		w.at(w.moment(d), func() { w.visit(s, w.any()) })
	}
}

// visit plugs a stick into a machine, which takes in what is for it and writes what the
// others lack. The power may go at any write of the machine's disk.
func (w *World) visit(s *stick, m *Machine) {
	if m.down {
		return
	}
	w.Visits++
	w.wear(s)
	p := &power{Store: m.store, m: m, writes: -1}
	if m.draw.IntN(6) == 0 {
		p.writes = m.draw.IntN(12)
	}
	err := w.desk(s, p)
	if err != nil && !errors.Is(err, errPower) {
		w.fail("%s, at %s: %w", m, s.name, err)
		return
	}
	w.note("%s is at %s: %v", s.name, m, err)
	w.photograph(s, m)
	m.touch(nil)
	w.inspect(m)
	if p.gone {
		w.crash(m)
	}
}

// desk is what the program on a machine does with a stick.
func (w *World) desk(s *stick, p *power) (err error) {
	m := p.m
	self := p.Self()
	r, err := replica.New(replica.Config{
		Root: rootKey(), Certificate: self.Certificate, Directory: self.Directory, Scopes: m.scopes(),
		Log: p, Ingest: p.Ingest, Sign: p.Sign, Checkpoints: p.checkpoints(), Cut: m.ended, Hear: deaf{}, Notes: p, Now: m.clock, Rand: rand.NewChaCha8([32]byte{}), // for calls, of which there are none
	})
	if err != nil {
		return err
	}
	b, err := bundle.New(bundle.Config{
		Certificate: self.Certificate, Key: self.Opens, Sign: self.Sign, Directory: self.Directory, Exchange: r,
		Waiting: filepath.Join(w.o.Dir, "waiting at "+m.name),
	})
	if err != nil {
		return err
	}
	on, err := bundle.OpenStick(s.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	readers := w.readers(m, self)
	if m.draw.IntN(2) == 0 {
		took, err := b.Swap(context.Background(), on, readers, m.draw.IntN(4) == 0)
		w.took(m, took.Imported)
		for _, d := range readers {
			err = errors.Join(err, took.Failed[d])
		}
		return err
	}
	took, err := b.Import(context.Background(), on)
	w.took(m, took)
	if err != nil || len(readers) == 0 {
		return err
	}
	_, err = b.Export(context.Background(), on, w.order(m, readers, took))
	if errors.Is(err, bundle.ErrFull) {
		return nil // parts too small for what is next
	}
	return err
}

// order is for one reader or several, in parts of which each is a page or all.
func (w *World) order(m *Machine, readers []crdt.Device, took bundle.Imported) bundle.Order {
	m.draw.Shuffle(len(readers), func(i, j int) { readers[i], readers[j] = readers[j], readers[i] })
	o := bundle.Order{To: readers[:1+m.draw.IntN(len(readers))], After: m.draw.IntN(4) == 0, Heads: m.draw.IntN(3) == 0}
	o.Part = []int{0, 3000, 12000}[m.draw.IntN(3)]
	if len(o.To) == 1 {
		o.Answer = took.Answers[o.To[0]]
	}
	return o
}

// readers are those that the machine knows, and shares all scopes of the first with; but
// for one that it knows to be cut.
func (w *World) readers(m *Machine, self Self) (to []crdt.Device) {
	var shared []crdt.Scope
	for _, c := range self.Directory.All() {
		both := slices.DeleteFunc(slices.Clone(m.scopes()), func(s crdt.Scope) bool { return !c.Covers(s) })
		_, cut := m.ended(crdt.LogID{Device: c.Device, Scope: communes[0], Class: crdt.ClassRecords})
		if cut || c.Device == m.id || c.HPKEKey == nil || len(both) == 0 || shared != nil && !slices.Equal(shared, both) {
			continue
		}
		shared, to = both, append(to, c.Device)
	}
	slices.SortFunc(to, func(a, b crdt.Device) int { return slices.Compare(a[:], b[:]) })
	return to
}

func (w *World) took(m *Machine, took bundle.Imported) {
	for _, f := range took.Files {
		w.note("%s: %s of %v is %s, %d entries, %v", m, f.Name, f.By, f.State, f.Took.Entries, f.Refusal)
		if f.State == bundle.Taken {
			w.Taken++
		}
	}
}

// wear is what befalls a stick between two desks: it is another one, on which there is
// what this one held; files of it are damaged, cut short, taken away, or half written.
func (w *World) wear(s *stick) {
	if len(s.old) > 0 && w.draw.IntN(4) == 0 {
		w.replace(s, s.old[w.draw.IntN(len(s.old))])
	}
	files := w.held(s)
	for _, name := range sortedNames(files) {
		b, path := files[name], filepath.Join(s.dir, name)
		var err error
		switch w.draw.IntN(20) {
		case 0:
			b = slices.Clone(b)
			b[w.draw.IntN(len(b))] ^= 1 << w.draw.IntN(8)
			err = os.WriteFile(path, b, 0o600)
		case 1:
			err = os.Truncate(path, int64(w.draw.IntN(len(b))))
		case 2:
			err = os.Remove(path)
		case 3:
			err = os.Rename(path, path[:len(path)-len(".VXB")]+".TMP")
		}
		if err != nil {
			w.fail("%s: %w", s.name, err)
		}
	}
}

// photograph takes what is on the stick into the hash of the history, and keeps it.
func (w *World) photograph(s *stick, m *Machine) {
	files := w.held(s)
	for _, name := range sortedNames(files) {
		w.Carried += len(files[name])
		w.trace(m.name, s.name, files[name])
	}
	if s.old = append(s.old, files); len(s.old) > maxOld {
		s.old = slices.Delete(s.old, 0, 1)
	}
}

// sortedNames are those of files.
func sortedNames(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// held is what is on a stick, by name, but for what is empty.
func (w *World) held(s *stick) map[string][]byte {
	files := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(s.dir, "*.VXB"))
	for _, path := range names {
		b, err2 := os.ReadFile(path)
		if err = cmp.Or(err, err2); len(b) > 0 {
			files[filepath.Base(path)] = b
		}
	}
	if err != nil {
		w.fail("%s: %w", s.name, err)
	}
	return files
}

func (w *World) replace(s *stick, files map[string][]byte) {
	err := os.RemoveAll(s.dir)
	if err == nil {
		err = os.MkdirAll(s.dir, 0o700)
	}
	for _, name := range sortedNames(files) {
		err = cmp.Or(err, os.WriteFile(filepath.Join(s.dir, name), files[name], 0o600))
	}
	if err != nil {
		w.fail("%s: %w", s.name, err)
	}
}

// power is a store whose machine's power goes at a write: what was written before is
// durable, and nothing is after. A line that is up knows better than a stick what a peer
// was given, as in package replica.
type power struct {
	Store
	m      *Machine
	writes int // that are left; below 0: as many as come
	gone   bool
}

var errPower = errors.New("the power went")

func (p *power) write(do func() error) error {
	if p.gone = p.gone || p.writes == 0; p.gone {
		return errPower
	}
	p.writes--
	return do()
}

func (p *power) Ingest(ctx context.Context, segments []*wire.Segment) error {
	return p.write(func() error { return p.Store.Ingest(ctx, segments) })
}

func (p *power) StoreReceipt(r *identity.Receipt) error {
	return p.write(func() error { return p.Store.StoreReceipt(r) })
}

func (p *power) StoreCertificate(cert []byte) error {
	return p.write(func() error { return p.Store.StoreCertificate(cert) })
}

func (p *power) PutNote(peer crdt.Device, name string, value []byte) error {
	up := slices.ContainsFunc(p.m.ends, func(e *end) bool { return !e.closed && e.peer() == peer })
	if up && name == noteMemory {
		return nil
	}
	return p.write(func() error { return p.Store.PutNote(peer, name, value) })
}

// deaf hears nobody: when a device was heard is no part of a history.
type deaf struct{}

func (deaf) Heard(crdt.Device, int64) {}
