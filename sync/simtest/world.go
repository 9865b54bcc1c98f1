package simtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/rand/v2"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/linetest/line"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// Options of a history.
type Options struct {
	Seed   uint64
	Days   int           // virtual ones; 0: three
	Small  bool          // fewer devices, for stores that are dear
	Maker  Maker         // nil: Memory
	Traces []*line.Trace // of lines that were recorded
	Dir    string        // an empty one, for sticks; "": none is carried
	Tell   func(string)  // is told what happens, if set
}

// Result is what happened in a history.
type Result struct {
	Saves, Contacts, Crashes, Restores, Clones, Attacks int
	Frames, Bytes                                       int
	Floods, Overwrites                                  int               // attacks by amount, entries that supersede what is yet to come
	Decisions, Cuts                                     int               // checkpoints, and those that cut the thief
	Least                                               int               // Saves of a node on a day
	Visits, Taken, Carried                              int               // of sticks to desks, bundles taken in there, bytes on them
	Rounds                                              int               // of contacts until all held the same
	Trace                                               [sha256.Size]byte // of every frame, with its moment
}

func (r Result) String() string {
	return fmt.Sprintf("%d saves (at least %d a node a day), %d contacts, %d crashes, %d restored disks, %d clones, %d attacks (%d floods, %d entries that overwrite what comes), %d checkpoints (%d cuts), %d frames, %d bytes, %d sticks at desks with %d bundles taken in and %d bytes, same after %d rounds",
		r.Saves, r.Least, r.Contacts, r.Crashes, r.Restores, r.Clones, r.Attacks, r.Floods, r.Overwrites, r.Decisions, r.Cuts, r.Frames, r.Bytes, r.Visits, r.Taken, r.Carried, r.Rounds)
}

// World is a history while it runs.
type World struct {
	queue
	Result
	o     Options
	maker Maker
	draw  *rand.Rand
	start time.Time
	err   error
	hash  hash.Hash

	machines []*Machine
	hub      *Machine
	twin     *Machine
	thief    *thief
	stranger *memlog.Node // of another authority
	roads    []road
	sticks   []*stick
	province *memlog.Province // the group that decides; nil: nothing was decided
	peaceful bool

	saved    map[string]crdt.Scope               // what was acknowledged, by its proof
	seen     map[crdt.LogID]map[uint64]crdt.Hash // of logs, as they were first met
	forked   map[crdt.Device]bool                // devices that may have two histories
	poison   map[crdt.Device]bool                // of which nobody may hold anything
	troubles int
}

// road is a pair of machines that meet, and over what.
type road struct {
	a, b  *Machine
	lines []string
}

// path is a line of one contact.
type path struct {
	name        string
	there, back *direction
	window      int
	budget      reconcile.Allowance
}

// scopes of the histories: two communes of one province.
var communes = []crdt.Scope{"c/01290", "c/03646"}

// Run plays the history of a seed. Its error says what didn't hold, and when.
func Run(o Options) (Result, error) {
	if o.Days == 0 {
		o.Days = 3
	}
	w := &World{
		o: o, maker: o.Maker, draw: rand.New(rand.NewPCG(o.Seed, 4)), start: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), hash: sha256.New(),
		saved: map[string]crdt.Scope{}, seen: map[crdt.LogID]map[uint64]crdt.Hash{}, forked: map[crdt.Device]bool{}, poison: map[crdt.Device]bool{},
	}
	if w.maker == nil {
		w.maker = Memory{}
	}
	w.people()
	w.plan()
	for end := time.Duration(o.Days) * day; w.err == nil && w.step(end); {
	}
	w.now = max(w.now, time.Duration(o.Days)*day)
	if w.err == nil {
		w.peace()
	}
	for _, m := range w.machines {
		w.must(m, m.store.Close())
	}
	w.hash.Sum(w.Trace[:0])
	if w.err != nil {
		return w.Result, fmt.Errorf("seed %d, after %v: %w", o.Seed, w.now, w.err)
	}
	return w.Result, nil
}

const day = 24 * time.Hour

// fail notes the first thing that didn't hold.
func (w *World) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
		w.note("FAILED: %v", w.err)
	}
}

// must notes an error of a machine that may have none.
func (w *World) must(m *Machine, err error) bool {
	if err != nil {
		w.fail("%s: %w", m, err)
	}
	return err == nil
}

func (w *World) note(format string, args ...any) {
	if w.o.Tell != nil {
		w.o.Tell(fmt.Sprintf("%12v  %s", w.now.Round(time.Millisecond), fmt.Sprintf(format, args...)))
	}
}

// trace takes a frame into the hash of the history.
func (w *World) trace(from, to string, frame []byte) {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(w.now))
	w.hash.Write(at[:])
	fmt.Fprintf(w.hash, "%s>%s %d ", from, to, len(frame))
	w.hash.Write(frame)
}

func (w *World) chance() *rand.Rand { return rand.New(rand.NewPCG(w.draw.Uint64(), 1)) }

// people makes the machines and says who meets whom.
func (w *World) people() {
	w.hub = w.machine("province", identity.RoleHub, communes...)
	offices := communes
	if w.o.Small {
		offices = communes[:1]
	}
	var laptops []*Machine
	for i, scope := range offices {
		box := w.machine(fmt.Sprint("box", i), identity.RoleBox, scope)
		w.roads = append(w.roads, road{box, w.hub, []string{"4g", "thin", "satellite", "modem", "trace"}})
		for j := range 2 - i {
			laptop := w.machine(fmt.Sprint("laptop", i, j), identity.RoleLaptop, scope)
			laptops = append(laptops, laptop)
			w.roads = append(w.roads, road{laptop, box, []string{"lan", "thin", "trace"}})
		}
	}
	w.roads = append(w.roads, road{laptops[0], w.hub, []string{"thin", "modem", "trace"}})
	courier := w.machine("courier", identity.RoleLaptop, offices...)
	courier.courier = true
	w.roads = append(w.roads, road{courier, w.hub, []string{"stick"}}, road{courier, laptops[0], []string{"stick"}})
	if w.o.Small {
		return
	}
	w.roads = append(w.roads, road{courier, laptops[len(laptops)-1], []string{"stick"}})
}

func (w *World) machine(name string, role identity.Role, scopes ...crdt.Scope) *Machine {
	m := &Machine{w: w, name: name, draw: w.chance(), high: map[crdt.LogID]crdt.Head{}, spoken: map[crdt.LogID]crdt.Head{}, cut: map[crdt.LogID]uint64{}}
	m.spec = Spec{Name: name, Role: role, Scopes: scopes, Now: m.clock, Rand: m.draw}
	if w.draw.IntN(3) == 0 {
		m.skew = time.Duration(w.draw.Int64N(int64(2*time.Hour))) - time.Hour
	}
	var err error
	if m.store, err = w.maker.Make(m.spec, nil, false); w.must(m, err) {
		m.id = m.store.Self().Claims.Device
	}
	w.machines = append(w.machines, m)
	return m
}

// plan draws what happens on each day.
func (w *World) plan() {
	for d := range w.o.Days {
		for _, m := range w.machines {
			w.planSaves(m, d)
		}
		for i := range w.roads {
			for range 2 + w.draw.IntN(4) {
				w.at(w.moment(d), func() { w.meet(w.roads[i]) })
			}
		}
		for range w.draw.IntN(5) {
			w.at(w.moment(d), func() { w.crash(w.any()) })
		}
		if w.draw.IntN(2) == 0 {
			w.at(w.moment(d), func() { w.keepImage(w.anyButHub()) })
			w.at(w.moment(d), func() { w.restore(w.anyButHub()) })
		}
		if w.draw.IntN(3) == 0 {
			w.at(w.moment(d), func() { w.clone(w.anyButHub()) })
		}
		w.planAttacks(d)
		w.planSticks(d)
		w.planDecisions(d)
		w.at(time.Duration(d+1)*day-1, w.inspectAll)
	}
}

// planSaves has each officer save at least twice a day: two moments are so early that
// a machine which is down then is up again before midnight.
func (w *World) planSaves(m *Machine, d int) {
	if m.courier || m == w.hub {
		return
	}
	for range 2 {
		w.at(time.Duration(d)*day+time.Duration(w.draw.Int64N(int64(18*time.Hour))), func() { w.save(m) })
	}
	for range w.draw.IntN(4) {
		w.at(w.moment(d), func() { w.save(m) })
	}
	w.at(time.Duration(d+1)*day-1, func() {
		if m.today < 2 {
			w.fail("%s saved %d times on day %d of the history; its officer works there every day", m, m.today, d)
		}
		w.leastSaves(m.today)
		m.today = 0
	})
}

func (w *World) leastSaves(n int) {
	if w.Least == 0 || n < w.Least {
		w.Least = n
	}
}

func (w *World) moment(d int) time.Duration {
	return time.Duration(d)*day + time.Duration(w.draw.Int64N(int64(day)))
}

func (w *World) any() *Machine { return w.machines[w.draw.IntN(len(w.machines))] }

func (w *World) anyButHub() *Machine {
	for {
		if m := w.any(); m != w.hub && !m.evil {
			return m
		}
	}
}

// save lets an officer save, mostly once, now and then many times.
func (w *World) save(m *Machine) {
	if m.down {
		w.after(time.Hour, func() { w.save(m) })
		return
	}
	n := 1
	if w.draw.IntN(8) == 0 {
		n = 2 + w.draw.IntN(40)
	}
	for range n {
		proof, err := m.store.Save(m.draw)
		if !w.must(m, err) {
			return
		}
		w.Saves++
		m.today++
		w.saved[proof] = scopeOf(proof)
	}
	m.touch(nil)
	if t := w.twin; t != nil && t.id == m.id && t != m && !w.peaceful && w.draw.IntN(2) == 0 {
		w.save(t)
	}
}

func scopeOf(proof string) (scope crdt.Scope) {
	for i, r := range proof {
		if r == ' ' {
			return crdt.Scope(proof[:i])
		}
	}
	return crdt.Scope(proof)
}

// meet begins a contact that lasts as long as chance has it, or until all is said.
func (w *World) meet(r road) {
	if r.a.down || r.b.down || len(w.open(r.a, r.b)) > 0 {
		return
	}
	c := w.connect(r.a, r.b, w.path(r.lines[w.draw.IntN(len(r.lines))]))
	if c == nil {
		return
	}
	// From half a second to nine hours, as many short ones as long ones.
	lasts := time.Duration(float64(500*time.Millisecond) * float64(uint(1)<<w.draw.IntN(16)) * (1 + w.draw.Float64()))
	w.after(lasts, func() {
		if !c.over {
			w.note("the line of %s and %s is cut", c.a.m, c.b.m)
			c.cut()
		}
	})
}

// path opens a line of a kind.
func (w *World) path(name string) path {
	p := path{name: name}
	if w.draw.IntN(6) == 0 {
		p.budget = reconcile.Allowance{Bytes: uint64(1000 + w.draw.IntN(20000)), Hard: uint64(30000 + w.draw.IntN(60000))}
	}
	k, recorded := kinds[name], len(w.o.Traces) > 0
	switch {
	case name == "trace" && recorded:
		k = kinds["thin"]
		k.Trace, k.Loss = w.o.Traces[w.draw.IntN(len(w.o.Traces))], 0
	case name == "trace":
		k = kinds["thin"]
	}
	p.window, p.there, p.back = k.window, open(k.Shape, w.now, w.chance()), open(k.Shape, w.now, w.chance())
	return p
}
