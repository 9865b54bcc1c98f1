package simtest

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// foreign is a scope that nobody of a history is certified for.
const foreign crdt.Scope = "c/99999"

// thief is a laptop that the authority certified and that says what it likes: it runs
// a true session, of which it changes, repeats, withholds and adds frames. It writes
// two histories of its own, one for each ear.
type thief struct {
	*Machine
	ears  [2]*memory
	heard [][]byte // frames of its own, to be said again

	behaves, floods bool // in this contact: he listens and gives what he has signed; he floods
}

func (w *World) planAttacks(d int) {
	if w.thief == nil {
		w.thief = w.newThief()
	}
	for range w.draw.IntN(5) {
		w.at(w.moment(d), w.attack)
	}
}

func (w *World) newThief() *thief {
	t := &thief{Machine: &Machine{w: w, name: "thief", draw: w.chance(), evil: true, lost: true}}
	t.spec = Spec{Name: "thief", Role: identity.RoleLaptop, Scopes: communes[:1], Now: t.clock, Rand: t.draw}
	for i := range t.ears {
		s, err := Memory{}.Make(t.spec, nil, false)
		if !w.must(t.Machine, err) {
			return t
		}
		t.ears[i] = s.(*memory)
	}
	t.store, t.id = t.ears[0], t.ears[0].Claims.Device
	t.spoil = t.say
	w.forked[t.id] = true
	stranger, err := memlog.New(memlog.Key("another authority"), "stranger", identity.RoleHub, communes...)
	if w.must(t.Machine, err) {
		w.poison[stranger.Claims.Device] = true
		w.stranger = stranger
	}
	return t
}

// attack has the thief meet somebody.
func (w *World) attack() {
	t := w.thief
	victim := w.any()
	if victim.down || !victim.covers(communes[0]) || len(t.ends) > 0 {
		return
	}
	w.Attacks++
	ear := t.ears[t.draw.IntN(2)]
	if t.draw.IntN(3) == 0 {
		_, err := ear.Save(t.draw)
		w.must(t.Machine, err)
	}
	if t.draw.IntN(2) == 0 {
		t.overwrite(ear)
	}
	t.behaves = t.draw.IntN(3) == 0
	if t.floods = t.draw.IntN(3) == 0; t.floods {
		w.Floods++
	}
	t.store, t.version = ear, t.version+1
	c := w.connect(t.Machine, victim, w.path("lan"))
	if c == nil {
		return
	}
	w.after(time.Duration(1+t.draw.IntN(60))*time.Second, func() {
		if !c.over {
			c.cut()
		}
	})
}

// say is what becomes of a frame that the thief's session wants to send.
func (t *thief) say(e *end, frame []byte) [][]byte {
	if len(t.heard) < 200 {
		t.heard = append(t.heard, slices.Clone(frame))
	}
	if t.behaves {
		return [][]byte{frame}
	}
	if t.floods && t.draw.IntN(3) == 0 {
		return append(t.flood(), frame)
	}
	switch t.draw.IntN(12) {
	case 0: // damaged
		b := slices.Clone(frame)
		b[t.draw.IntN(len(b))] ^= 1 << t.draw.IntN(8)
		return [][]byte{b}
	case 1: // cut short
		return [][]byte{frame[:1+t.draw.IntN(len(frame))]}
	case 2: // twice
		return [][]byte{frame, frame}
	case 3: // withheld
		return nil
	case 4: // said before
		return [][]byte{t.heard[t.draw.IntN(len(t.heard))], frame}
	case 5, 6, 7:
		if made := t.forge(e); made != nil {
			return [][]byte{frame, made}
		}
	}
	return [][]byte{frame}
}

// forge makes a frame that no session would send.
func (t *thief) forge(e *end) []byte {
	victim := e.far.m
	var message []any
	switch t.draw.IntN(8) {
	case 0:
		message = []any{16, t.segment(memlog.Key("thief seal"), t.id, foreign)}
	case 1: // in the name of somebody else
		message = []any{16, t.segment(memlog.Key("thief seal"), victim.id, communes[0])}
	case 2:
		message = []any{16, t.segment(t.w.stranger.Keys.Seal, t.w.stranger.Claims.Device, communes[0])}
	case 3:
		message = []any{20, t.w.stranger.Certificate}
	case 4:
		message = []any{18, t.receipt(t.w.hub.id)}
	case 5:
		message = []any{18, t.receipt(t.id)}
	case 6: // counts of what never was
		message = []any{3, uint64(1) << 40, []uint64{}}
	case 7: // a part of something of nearly no end
		message = []any{2, 1, []byte("x"), uint64(1) << 50, make([]byte, 16), 0}
	}
	b, err := wire.Marshal(message)
	if err != nil || len(b) > 1200 {
		return nil
	}
	return b
}

// segment is one of a log that the key has nothing to do with, perhaps, or of a scope
// that its device has no business in.
func (t *thief) segment(key []byte, d crdt.Device, scope crdt.Scope) []byte {
	log := crdt.LogID{Device: d, Incarnation: crdt.Incarnation{byte(t.draw.IntN(256)), 1}, Scope: scope, Class: crdt.ClassRecords}
	value, err := wire.Marshal("giả")
	if err != nil {
		return nil
	}
	raw, err := wire.EncodeEntry(&crdt.Entry{
		Log: log, Seq: 1, Stamp: 1 << 60, Officer: "giả", Pack: crdt.Pack{ID: "commune", Version: 1}, Key: crdt.Key{1},
		Ops: []crdt.Op{{Collection: "dossiers", Record: crdt.Ref{Dot: crdt.Dot{Log: log, Seq: 1}}, Field: 1, Value: value}},
	})
	if err != nil {
		return nil
	}
	seal, err := wire.Sign(log, crdt.Head{Seq: 1, Hash: wire.ChainHash(raw)}, signer(key))
	if err != nil {
		return nil
	}
	b, err := wire.EncodeSegment(&wire.Segment{Log: log, First: 1, Entries: [][]byte{raw}, Seal: seal})
	if err != nil {
		return nil
	}
	return b
}

// receipt says in a name that it holds what nobody does.
func (t *thief) receipt(d crdt.Device) []byte {
	r := &identity.Receipt{Signer: d, Scope: communes[0], Heads: []identity.LogHead{{
		Log:  crdt.LogID{Device: t.w.hub.id, Scope: communes[0], Class: crdt.ClassRecords},
		Head: crdt.Head{Seq: 1 << 30, Hash: sha256.Sum256([]byte("giả"))},
	}}}
	if d == t.w.hub.id {
		r.HubEpoch, r.Index = 1, 1<<40
	}
	if err := r.Sign(signer(memlog.Key("thief seal"))); err != nil {
		return nil
	}
	b, err := r.Encode()
	if err != nil {
		return nil
	}
	return b
}

func signer(key []byte) func([]byte) []byte {
	return func(m []byte) []byte { return signWith(key, m) }
}
