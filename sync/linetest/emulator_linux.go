package linetest

import (
	"container/heap"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/vungxa/vungxa/sync/linetest/line"
)

// ErrMissing is wrapped where the machine lacks what an emulated line needs.
var ErrMissing = errors.New("no emulated line on this machine: missing")

// Emulator is two ends and the line between them.
type Emulator struct {
	A, B *End

	up, down *direction // from A to B, and back
	running  sync.WaitGroup
}

// Count is what one end has sent, with IP headers.
type Count struct {
	Packets, Bytes int
	Gone           int // packets of these that were lost, or dropped by a full queue
}

// Sub is what was sent since an earlier count.
func (c Count) Sub(before Count) Count {
	return Count{c.Packets - before.Packets, c.Bytes - before.Bytes, c.Gone - before.Gone}
}

// New makes the ends, joined by a perfect line.
func New(now func() time.Time) (e *Emulator, err error) {
	if err := commands(); err != nil {
		return nil, err
	}
	e = &Emulator{}
	if e.A, err = newEnd(addressA, addressB); err != nil {
		return nil, err
	}
	if e.B, err = newEnd(addressB, addressA); err != nil {
		return nil, errors.Join(err, e.A.close())
	}
	e.up, e.down = newDirection(now, e.A.device, e.B.device), newDirection(now, e.B.device, e.A.device)
	e.Shape(line.Both{}, 0)
	for _, d := range []*direction{e.up, e.down} {
		e.running.Go(d.take)
		e.running.Go(d.deliver)
	}
	return e, nil
}

// Shape makes the line another one, from now on; up is from A to B. What is under way
// still arrives.
func (e *Emulator) Shape(b line.Both, seed uint64) {
	e.up.shape(b.Up, rand.New(rand.NewPCG(seed, 0)))
	e.down.shape(b.Down, rand.New(rand.NewPCG(seed, 1)))
}

// Cut takes the line away, or brings it back: without it every packet is lost.
func (e *Emulator) Cut(cut bool) {
	e.up.cutOff(cut)
	e.down.cutOff(cut)
}

// Counts are what A and B have sent since New.
func (e *Emulator) Counts() (a, b Count) { return e.up.counted(), e.down.counted() }

// Quiet is how long neither end has sent anything.
func (e *Emulator) Quiet() time.Duration { return min(e.up.quiet(), e.down.quiet()) }

// Close takes the line and the ends away. What still runs there has no line.
func (e *Emulator) Close() error {
	close(e.up.done)
	close(e.down.done)
	err := errors.Join(e.A.close(), e.B.close())
	e.running.Wait()
	return err
}

// direction moves packets from one device to the other.
type direction struct {
	now      func() time.Time
	from, to *os.File
	packets  chan packet
	done     chan struct{} // closed when the emulator is

	mu    sync.Mutex // guards what follows
	line  *line.Line
	began time.Time // of line
	cut   bool
	count Count
	last  time.Time // when a packet came
}

// packet is one that is to arrive.
type packet struct {
	at    time.Time
	bytes []byte
}

func newDirection(now func() time.Time, from, to *os.File) *direction {
	return &direction{now: now, from: from, to: to, packets: make(chan packet, 1024), done: make(chan struct{}), last: now()}
}

func (d *direction) shape(s line.Shape, chance *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line, d.began = line.New(s, chance), d.now()
}

func (d *direction) cutOff(cut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = cut
}

func (d *direction) counted() Count {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

func (d *direction) quiet() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now().Sub(d.last)
}

// take reads what programs send until the device is closed.
func (d *direction) take() {
	const largest = 65535 // of an IP packet
	buffer := make([]byte, largest)
	for {
		n, err := d.from.Read(buffer)
		if err != nil {
			return
		}
		at, arrives := d.send(n)
		if !arrives {
			continue
		}
		select {
		case d.packets <- packet{at, append([]byte(nil), buffer[:n]...)}:
		case <-d.done:
			return
		}
	}
}

// send puts a packet on the line.
func (d *direction) send(bytes int) (at time.Time, arrives bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = d.now()
	d.count.Packets++
	d.count.Bytes += bytes
	after, fate := d.line.Send(d.last.Sub(d.began), bytes)
	arrives = fate == line.Delivered && !d.cut
	if !arrives {
		d.count.Gone++
	}
	return d.began.Add(after), arrives
}

// deliver writes packets to the other device when their time has come.
func (d *direction) deliver() {
	var waiting arrivals
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for len(waiting) > 0 && !waiting[0].at.After(d.now()) {
			// A device that is closing takes nothing more, and nobody misses it.
			_, _ = d.to.Write(heap.Pop(&waiting).(packet).bytes)
		}
		if len(waiting) > 0 {
			timer.Reset(waiting[0].at.Sub(d.now()))
		}
		select {
		case p := <-d.packets:
			heap.Push(&waiting, p)
		case <-timer.C:
		case <-d.done:
			return
		}
	}
}

// arrivals are packets, the next one first (container/heap).
type arrivals []packet

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(p any)        { *a = append(*a, p.(packet)) }
func (a *arrivals) Pop() any {
	last := len(*a) - 1
	p := (*a)[last]
	*a = (*a)[:last]
	return p
}
