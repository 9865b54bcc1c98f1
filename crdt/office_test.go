package crdt

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
)

const day = int64(24 * 60 * 60 * 1000)

// aTime is some time in 2026, in milliseconds.
const aTime = int64(1_790_000_000_000)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// desk is a device that keeps one record, as a store would: what it has received
// of each log, and the record that follows.
type desk struct {
	t       tester
	log     LogID
	officer string
	clock   Clock
	cites   Cite
	epoch   uint64
	held    map[LogID][]*Entry
	record  *Record
}

func newDesk(t tester, i int, officer string) *desk {
	return &desk{
		t: t, log: testLog(i), officer: officer, held: map[LogID][]*Entry{},
		record: NewRecord(testScope, "things", testRef),
	}
}

// chainHash stands for wire.ChainHash, which this package can't import: a hash of
// the whole entry, which names the one before it.
func chainHash(e *Entry) Hash {
	return sha256.Sum256(fmt.Appendf(nil, "%v %d %v %d %q %d %v %v %v", e.Log, e.Seq, e.Prev, e.Stamp, e.Officer, e.Epoch, e.Cites, e.Pins, e.Ops))
}

func (d *desk) hash(l LogID, seq uint64) (Hash, bool) {
	if seq == 0 || seq > uint64(len(d.held[l])) {
		return Hash{}, false
	}
	return chainHash(d.held[l][seq-1]), true
}

// save makes an entry of operations on the record, at a clock's milliseconds, and
// applies it here.
func (d *desk) save(ms int64, ops ...Op) *Entry {
	d.t.Helper()
	own := d.held[d.log]
	e := &Entry{
		Log: d.log, Seq: uint64(len(own) + 1), Stamp: StampAt(ms), Officer: d.officer, Cites: d.cites, Epoch: d.epoch,
		Pack: Pack{ID: "test", Version: 1}, Ops: ops,
	}
	e.Prev, _ = d.hash(d.log, e.Seq-1)
	e.Pins = e.PinsOf(d.hash)
	if err := e.Validate(); err != nil {
		d.t.Fatal(err)
	}
	d.receive(e)
	return e
}

// write saves a text in the test field, on what the desk shows.
func (d *desk) write(ms int64, text string) *Entry {
	d.t.Helper()
	return d.save(ms, d.record.Assign(testField, cborText(text), nil))
}

func cborText(s string) []byte { return append([]byte{0x78, byte(len(s))}, s...) }

func (d *desk) receive(entries ...*Entry) {
	for _, e := range entries {
		if at := uint64(len(d.held[e.Log])); e.Seq != at+1 {
			if e.Seq <= at {
				continue
			}
			d.t.Fatalf("entry %v comes after %d", e.Pos(), at)
		}
		d.held[e.Log] = append(d.held[e.Log], e)
		for i := range e.Ops {
			d.record.Apply(e, i, d.hash)
		}
		d.record.Arrived(e.Log, d.hash)
	}
}

// entries is all that the desk holds, by log.
func (d *desk) entries() []*Entry {
	var all []*Entry
	for _, log := range d.held {
		all = append(all, log...)
	}
	slices.SortFunc(all, func(a, b *Entry) int { return a.Dot(0).Compare(b.Dot(0)) })
	return all
}

// reader reads the test field under an authority, with all of the past.
func (d *desk) reader(a *Authority) Reader {
	return Reader{Authority: a, Prior: func() []Write {
		return a.History(d.entries(), d.hash, d.record.Ref.ID(), testField, "")
	}}
}

func (d *desk) read(a *Authority, p Policy) Reading {
	return d.reader(a).Cell(d.record.Cells[testField], p)
}

// texts are the visible values, the shown one first.
func (r Reading) texts() []string {
	texts := []string{}
	for _, s := range r.Siblings {
		texts = append(texts, string(s.Value[2:]))
	}
	return texts
}

func want(t testing.TB, r Reading, texts ...string) {
	t.Helper()
	if got := r.texts(); !slices.Equal(got, texts) {
		t.Errorf("shown %q; want %q", got, texts)
	}
}

// digest is what is visible of a record under an authority, as one hash: the same
// on two devices, or they tell people different things.
func (d *desk) digest(a *Authority) Hash {
	return digest(func(p Policy) Reading { return d.read(a, p) })
}

func digest(read func(Policy) Reading) Hash {
	h := sha256.New()
	for _, p := range policies {
		r := read(p)
		fmt.Fprintf(h, "%d %v %v %v", p, r.Conflict, r.Review, r.Provisional)
		for _, s := range r.Siblings {
			fmt.Fprintf(h, "|%v %x %v %v %v", s.Dot, s.Value, s.Time, s.Provisional, s.Rests)
		}
	}
	return Hash(h.Sum(nil))
}

// hub makes checkpoints of what it is told.
type hub struct {
	t         tester
	authority *Authority
	epoch     uint64
	reach     Reach // of the newest checkpoint
}

func newHub(t tester) *hub { return &hub{t: t, authority: &Authority{}, epoch: 1} }

// next signs the next checkpoint and applies it; fill says what is new.
func (h *hub) next(ms int64, fill func(*Checkpoint)) *Checkpoint {
	h.t.Helper()
	c := &Checkpoint{Scope: testScope, At: Cite{h.epoch, h.authority.Newest.Index + 1}, Prev: h.authority.Hash(), TimeMS: ms}
	if fill != nil {
		fill(c)
	}
	h.reach = h.authority.Reach(c)
	if err := h.authority.Apply(c, checkpointHash(c)); err != nil {
		h.t.Fatal(err)
	}
	return c
}

func checkpointHash(c *Checkpoint) Hash { return sha256.Sum256(fmt.Appendf(nil, "%v", *c)) }

func pinAt(d *desk, l LogID, seq uint64) Pin {
	hash, _ := d.hash(l, seq)
	return Pin{Log: l, Seq: seq, Hash: hash}
}

func witness(l LogID, seq uint64, ms int64) func(*Checkpoint) {
	return func(c *Checkpoint) { c.Witnesses = append(c.Witnesses, Witness{l, seq, ms}) }
}

func cutting(s Subject, pins ...Pin) func(*Checkpoint) {
	return func(c *Checkpoint) { c.Cuts = append(c.Cuts, Cut{Subject: s, Epoch: 1, Logs: pins}) }
}

func ruling(d Dot, r Ruling) func(*Checkpoint) {
	return func(c *Checkpoint) { c.Verdicts = append(c.Verdicts, Verdict{Dot: d, Ruling: r, Index: c.At.Index}) }
}
