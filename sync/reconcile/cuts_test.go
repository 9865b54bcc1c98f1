package reconcile_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/reconcile"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

var campaign = flag.Int("cuts", 20, "how many random cuts to try")

// A frame arrives whole or not at all, so that a cut at any byte is a cut after some
// frame, and cuts after every frame are all there are.

// office is a laptop and a box that have met, and have news for each other: short
// and long, of several classes.
type office struct {
	laptop, box *memlog.Node
	disk        disk
	window      int
}

func newOffice(t check, seed int) *office {
	o := &office{laptop: newNode(t, "laptop", identity.RoleLaptop), box: newNode(t, "box", identity.RoleBox), disk: disk{}}
	o.window = reconcile.MinWindow << (seed % 4)
	save(t, o.laptop, crdt.ClassRecords, 1)
	save(t, o.box, crdt.ClassRecords, 1)
	a, b := resume(t, o.disk, o.laptop, o.box)
	settle(t, a, b)
	hangUp(a, b)
	for i, size := range []int{10, 5000, 200, 9000} {
		for _, n := range []*memlog.Node{o.laptop, o.box} {
			if _, err := n.SaveValue(scope, crdt.Class(1+i%3), []byte(noise(seed+i, size))); err != nil {
				t.Fatalf("save: %v", err)
			}
		}
	}
	return o
}

// talk connects the office until so many frames have crossed the line, and gives how
// many bytes of items came to be taken in: those that were lost don't count.
func (o *office) talk(t check, frames int) (came int, all int) {
	t.Helper()
	a, b := resume(t, o.disk, o.laptop, o.box, func(c *reconcile.Config) { c.Window = o.window })
	left := frames
	for range 100_000 {
		moved := false
		for _, e := range []*end{a, b} {
			for _, step := range steps {
				moved = step(e) || moved
			}
			if n := len(e.far.in); n > 0 { // what was just written
				arrived := min(n, left)
				for _, f := range e.far.in[:arrived] {
					all++
					if item(parse(t, f).Kind) {
						came += len(f)
					}
				}
				left -= arrived
				e.far.in = e.far.in[:arrived]
				for len(e.far.in) > 0 || e.far.todo != nil {
					if !e.far.work() && !e.far.read() {
						break
					}
				}
			}
		}
		if !moved || left == 0 {
			break
		}
	}
	for _, e := range []*end{a, b} {
		if e.refusal != nil {
			t.Fatalf("%s: %v", e.node.Claims.Name, e.refusal)
		}
		e.finish()
	}
	hangUp(a, b)
	return came, all
}

func item(kind string) bool {
	switch kind {
	case "part", "segment", "after", "receipt", "delta", "cert":
		return true
	}
	return false
}

const never = 1 << 30

func TestCutAfterEveryFrame(t *testing.T) {
	whole := newOffice(t, 1)
	want, frames := whole.talk(t, never)
	same(t, whole.laptop, whole.box)
	again := 0
	for n := range frames {
		o := newOffice(t, 1)
		first, _ := o.talk(t, n)
		rest, _ := o.talk(t, never)
		same(t, o.laptop, o.box)
		if twice := first + rest - want; twice > reconcile.MaxFrame {
			t.Errorf("cut after frame %d of %d: %d bytes came twice; at most a frame's", n, frames, twice)
		} else {
			again = max(again, twice)
		}
	}
	t.Logf("%d frames, %d bytes of items; at most %d bytes came twice", frames, want, again)
}

// Cuts at random, one after the other, until all has come: nothing is lost, and no
// cut costs more than a frame. `make cuts` tries 10,000.
func TestRandomCuts(t *testing.T) {
	workers := runtime.GOMAXPROCS(0)
	cuts, again, histories := make([]int, workers), make([]int, workers), make([]int, workers)
	t.Run("all", func(t *testing.T) {
		for w := range workers { // each has seeds and counts of its own
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for ; cuts[w] < *campaign/workers; histories[w]++ {
					n, twice := cutUntilWhole(t, w+workers*histories[w])
					cuts[w] += n
					again[w] += twice
				}
			})
		}
	})
	all, twice, seeds := 0, 0, 0
	for w := range workers {
		all, twice, seeds = all+cuts[w], twice+again[w], seeds+histories[w]
	}
	t.Logf("%d cuts in %d histories; %d bytes of items came twice, %d a cut", all, seeds, twice, twice/max(all, 1))
}

// cutUntilWhole cuts an office's line until all has come, and says how often, and how
// many bytes of items came again.
func cutUntilWhole(t *testing.T, seed int) (cuts, again int) {
	r := rand.New(rand.NewPCG(uint64(seed), 5))
	whole := newOffice(t, seed)
	want, frames := whole.talk(t, never)
	o := newOffice(t, seed)
	came := 0
	for ; cuts < 200; cuts++ {
		n := 1 + r.IntN(frames)
		if r.IntN(4) > 0 { // mostly soon
			n = 1 + r.IntN(6)
		}
		some, crossed := o.talk(t, n)
		came += some
		if crossed < n {
			break
		}
	}
	same(t, whole.laptop, o.laptop, o.box)
	if limit := want + cuts*reconcile.MaxFrame; came > limit || cuts == 200 {
		t.Errorf("seed %d: %d bytes of items came in %d contacts; at most %d", seed, came, cuts+1, limit)
	}
	return cuts, max(came-want, 0)
}

// Frames that are damaged, cut short, repeated, swapped, missing, too long, or of another session: the
// session ends or goes on, nothing is stored that wasn't saved, and the next one has
// all that is right.
func TestWrongFrames(t *testing.T) {
	var replay [][]byte
	first := newOffice(t, 2)
	a, b := resume(t, first.disk, first.laptop, first.box)
	a.hook = func(f []byte) { replay = append(replay, f) }
	settle(t, a, b)
	want := fmt.Sprint(heads(t, first.box))
	var late []byte // comes after the next frame
	wrongs := map[string]func(r *rand.Rand, f []byte) [][]byte{
		"damaged": func(r *rand.Rand, f []byte) [][]byte {
			c := bytes.Clone(f)
			c[r.IntN(len(c))] ^= 1 << r.IntN(8)
			return [][]byte{c}
		},
		"cut short": func(r *rand.Rand, f []byte) [][]byte { return [][]byte{f[:r.IntN(len(f))]} },
		"twice":     func(_ *rand.Rand, f []byte) [][]byte { return [][]byte{f, f} },
		"missing":   func(*rand.Rand, []byte) [][]byte { return nil },
		"replayed":  func(r *rand.Rand, f []byte) [][]byte { return [][]byte{replay[r.IntN(len(replay))], f} },
		"swapped":   func(_ *rand.Rand, f []byte) [][]byte { late = f; return nil },
		"too long": func(_ *rand.Rand, f []byte) [][]byte {
			return [][]byte{append(bytes.Clone(f), make([]byte, reconcile.MaxFrame)...)}
		},
	}
	for name, spoil := range wrongs {
		t.Run(name, func(t *testing.T) {
			for n := range 5 {
				r := rand.New(rand.NewPCG(uint64(n), 9))
				o := newOffice(t, 2)
				a, b := resume(t, o.disk, o.laptop, o.box)
				at := r.IntN(len(replay))
				late = nil
				b.spoil = func(f []byte) [][]byte {
					if late != nil {
						both := [][]byte{f, late}
						late = nil
						return both
					}
					if at--; at != -1 {
						return [][]byte{f}
					}
					return spoil(r, f)
				}
				settle(t, a, b)
				hangUp(a, b)
				for range 2 { // a session that ends for what is wrong may leave one more to heal
					a, b = resume(t, o.disk, o.laptop, o.box)
					settle(t, a, b)
					hangUp(a, b)
				}
				same(t, o.laptop, o.box)
				if got := fmt.Sprint(heads(t, o.box)); got != want {
					t.Fatalf("frame %d: the box holds\n%s; want\n%s", n, got, want)
				}
			}
		})
	}
}

func heads(t check, n *memlog.Node) map[crdt.LogID]crdt.Head {
	t.Helper()
	h, err := n.Heads(scope)
	if err != nil {
		t.Fatalf("heads: %v", err)
	}
	return h
}

// A store that was restored, with the memory or without: what was lost comes back,
// and the peer is told that the count went back.
func TestRestoredWithItsMemory(t *testing.T) {
	o := newOffice(t, 3)
	old := o.disk.clone()
	o.talk(t, never)
	log := o.laptop.Log(scope, crdt.ClassUrgent)
	o.laptop.Cut(log, 0)
	o.laptop.Cut(o.laptop.Log(scope, crdt.ClassRecords), 1)
	k := [2]crdt.Device{o.laptop.Claims.Device, o.box.Claims.Device}
	o.disk[k] = old[k]
	a, b := resume(t, o.disk, o.laptop, o.box)
	settle(t, a, b)
	same(t, o.laptop, o.box)
	if !a.s.Met() || !b.s.Met() || !b.s.Memory().CounterBack {
		t.Errorf("met %v and %v; the count went back: %v", a.s.Met(), b.s.Met(), b.s.Memory().CounterBack)
	}
}

// What came in part and then whole some other way is forgotten: else every contact
// would begin by telling of it.
func TestWhatIsStagedOfAnItemThatCameIsDropped(t *testing.T) {
	o := newOffice(t, 1)
	staged := func() (n int) {
		for _, p := range o.disk.of(o.box, o.laptop).staged {
			n += len(p.Bytes)
		}
		return n
	}
	if o.talk(t, 5); staged() == 0 {
		t.Fatal("nothing is staged: the test shows nothing")
	}
	for from, to := range map[*memlog.Node]*memlog.Node{o.laptop: o.box, o.box: o.laptop} {
		held := heads(t, to)
		for log, h := range heads(t, from) {
			if h.Seq == held[log].Seq || log.Device != from.Claims.Device {
				continue
			}
			seg, err := from.Segment(log, held[log].Seq, h.Seq)
			if err == nil {
				err = to.IngestOne(seg)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for from, to := range map[*memlog.Node]*memlog.Node{o.laptop: o.box, o.box: o.laptop} {
		for _, r := range view(t, from)[scope].Receipts { // each signs, and the other hears of it
			if err := to.StoreReceipt(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	same(t, o.laptop, o.box)
	o.talk(t, never)
	if n := staged(); n > 0 {
		t.Errorf("%d bytes lie staged of what has come", n)
	}
	m, err := reconcile.DecodeMemory(o.disk.of(o.laptop, o.box).memory)
	if err != nil || len(m.Unfinished) > 0 {
		t.Errorf("%v is remembered to be unfinished, and would be waited for (%v)", m.Unfinished, err)
	}
	if _, frames := o.talk(t, never); frames != 2 {
		t.Errorf("an idle contact took %d frames", frames)
	}
}

// Whatever a peer announces, what lies here of it is bounded.
func TestStagingIsBounded(t *testing.T) {
	o := newOffice(t, 4)
	_, b := resume(t, o.disk, o.laptop, o.box)
	b.far = &end{}
	hello := reconcile.HelloFrame(o.laptop.Certificate, 1, scope)
	b.in = [][]byte{hello, reconcile.HeadsFrame(scope, reconcile.Holding{})}
	o.disk.of(o.box, o.laptop).memory = nil
	b2 := newEnd(t, o.box, o.laptop, o.disk.of(o.box, o.laptop))
	b2.far, b2.in = &end{}, b.in
	settle(t, b2)
	long := make([]byte, reconcile.MaxItem)
	for lane := range uint8(reconcile.Lanes) {
		for _, f := range reconcile.CutFrames(lane, long) {
			b2.in = append(b2.in, f)
			settle(t, b2)
		}
	}
	if b2.refusal == nil {
		t.Error("items of 1 MiB on every lane are taken")
	}
	_, staged := b2.s.End()
	total := 0
	for _, p := range staged {
		total += len(p.Bytes)
	}
	if total > reconcile.MaxItem+3*reconcile.MaxSegmentItem+reconcile.MaxChunk+1024 {
		t.Errorf("%d bytes are kept", total)
	}
}
