package crdt

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// LapseAfterMS is after how much silence a device may be let lapse, in
// milliseconds: 90 days.
const LapseAfterMS = 90 * 24 * 60 * 60 * 1000

// Ack is a device's statement of what it holds. It is signed by the device,
// outside the logs; who hands it on has verified that.
type Ack struct {
	Device      Device
	Incarnation Incarnation
	Number      uint64 // grows with each of the device's incarnation, so that none is heard twice
	TimeMS      int64  // when the hub heard it
	Held        []Pin  // heads held of all logs, sorted by log
	Own         []Pin  // heads of its own logs, of every class, sorted by log
}

// ErrAck is wrapped by the refusals of Roll.Hear.
var ErrAck = errors.New("an acknowledgement that doesn't count")

// Roll is the hub's account of who has acknowledged what. The floor is what every
// counted device has. A device counts from its first acknowledgement at or above
// the floor; a new one, a restored one and one that lapsed don't until then, and
// judge no absence.
type Roll struct {
	Floor   []Pos
	Devices map[Device]Standing
}

// Standing is a device's place in the roll.
type Standing struct {
	Counted     bool
	Incarnation Incarnation
	Number      uint64
	TimeMS      int64 // when it was last heard
	Held        []Pos
}

// Hear takes an acknowledgement. held is what the hub holds: the acknowledgement
// counts once the hub holds the device's own heads, and of the other logs as far
// as the hub holds them. Errors wrap ErrAck: it was heard before, it is of an
// incarnation that has ended, or it names another branch than the hub's.
func (r *Roll) Hear(a Ack, held Held) error {
	s, known := r.Devices[a.Device]
	if known && (a.Incarnation != s.Incarnation || a.Number <= s.Number) {
		return fmt.Errorf("%w: number %d, where %d was heard, or of an incarnation that has ended", ErrAck, a.Number, s.Number)
	}
	for _, p := range a.Own {
		if hash, ok := held(p.Log, p.Seq); !ok || hash != p.Hash {
			return fmt.Errorf("%w: the hub doesn't hold the device's own log %v at %d", ErrAck, p.Log, p.Seq)
		}
	}
	for _, p := range a.Held {
		switch hash, ok := held(p.Log, p.Seq); {
		case ok && hash != p.Hash && hash != (Hash{}):
			return fmt.Errorf("%w: it holds another branch of log %v at %d", ErrAck, p.Log, p.Seq)
		case ok:
			s.Held = union(s.Held, []Pos{{p.Log, p.Seq}})
		}
	}
	s.Incarnation, s.Number, s.TimeMS = a.Incarnation, a.Number, a.TimeMS
	s.Counted = s.Counted || coversAll(s.Held, r.Floor)
	if r.Devices == nil {
		r.Devices = map[Device]Standing{}
	}
	r.Devices[a.Device] = s
	return nil
}

// Restored says that a device has begun a new incarnation: what it acknowledged
// before is void, and what comes of it under the old one too.
func (r *Roll) Restored(d Device, i Incarnation) {
	if r.Devices == nil {
		r.Devices = map[Device]Standing{}
	}
	r.Devices[d] = Standing{Incarnation: i}
}

// Lapse stops a device from holding the floor back, and does nothing else. It
// counts again from its next acknowledgement at or above the floor.
func (r *Roll) Lapse(d Device) {
	s := r.Devices[d]
	s.Counted, s.Held = false, nil
	r.Devices[d] = s
}

// Raise moves the floor to what every counted device has acknowledged of what the
// hub holds, and gives what has moved. It never goes back.
func (r *Roll) Raise(heads []Pin) []Pos {
	var moved []Pos
	for _, h := range heads {
		seq, anyone := h.Seq, false
		for _, s := range r.Devices {
			if s.Counted {
				seq, anyone = min(seq, seqOf(s.Held, h.Log)), true
			}
		}
		if anyone && seq > seqOf(r.Floor, h.Log) {
			moved = append(moved, Pos{h.Log, seq})
		}
	}
	r.Floor = union(r.Floor, moved)
	return moved
}

// Due lists the devices that may be let lapse: silent for LapseAfterMS, while the
// floor would be higher without them. Sorted.
func (r *Roll) Due(nowMS int64, heads []Pin) []Device {
	var due []Device
	for d, s := range r.Devices {
		if s.Counted && nowMS-s.TimeMS >= LapseAfterMS && r.waitsFor(d, heads) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b Device) int { return cmp.Compare(a.String(), b.String()) })
	return due
}

// waitsFor says whether the floor would be higher without a device.
func (r *Roll) waitsFor(d Device, heads []Pin) bool {
	with := Roll{Floor: r.Floor, Devices: maps.Clone(r.Devices)}
	without := Roll{Floor: r.Floor, Devices: maps.Clone(r.Devices)}
	delete(without.Devices, d)
	with.Raise(heads)
	without.Raise(heads)
	return !slices.Equal(with.Floor, without.Floor)
}

func coversAll(ps, of []Pos) bool {
	return !slices.ContainsFunc(of, func(p Pos) bool { return !Covers(ps, p) })
}
