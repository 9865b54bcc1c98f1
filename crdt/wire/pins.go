package wire

import (
	"slices"

	"github.com/vungxa/vungxa/crdt"
)

// keys: an entry's key derives from its span's salt, or is sent. Of an erased
// entry the keys of those operations are sent that stay.
func (w *walk) keys() {
	for _, e := range w.entries {
		derived, salted := w.derived(e.Seq)
		how := uint64(keySent)
		switch {
		case isErased(e):
			how = keysOfOps
		case salted && e.Key == derived:
			how = keyDerived
		}
		switch w.num(colKeys, &how); how {
		case keyDerived:
			if !salted {
				w.fail("no salt for span", Span(e.Seq))
			}
			e.Key = derived
		case keySent:
			w.rawBytes(e.Key[:])
		case keysOfOps:
			w.opKeys(e)
		default:
			w.fail("key form", how)
		}
	}
}

// How an entry's key is sent.
const (
	keyDerived = iota
	keySent
	keysOfOps
)

func (w *walk) derived(seq uint64) (crdt.Key, bool) {
	salt, ok := w.salts[Span(seq)]
	if !ok {
		return crdt.Key{}, false
	}
	return EntryKey(salt, seq), true
}

func (w *walk) opKeys(e *crdt.Entry) {
	for i := range e.Ops {
		op := &e.Ops[i]
		erased := uint64(0)
		if op.Erased != (crdt.Hash{}) {
			erased = 1
		}
		if w.small(colErased, &erased, 1); erased != 0 {
			w.rawBytes(op.Erased[:])
		} else {
			w.rawBytes(op.Key[:])
		}
	}
}

// pinned: of each foreign log that an entry names, the hash that it is pinned by,
// if it is.
func (w *walk) pinned() {
	if w.broken() != nil {
		return
	}
	for _, e := range w.entries {
		pins := e.Pins
		if w.reading {
			e.Pins = nil
		}
		for _, p := range e.Named() {
			how, hash := uint64(0), crdt.Hash{}
			if i := slices.IndexFunc(pins, func(q crdt.Pin) bool { return q.Log == p.Log }); i >= 0 {
				how, hash = 2, pins[i].Hash
			}
			known, ok := w.pins[p]
			if how == 2 && ok && known == hash {
				how = 1
			}
			switch w.small(colPins, &how, 2); how {
			case 0:
				continue
			case 1:
				if hash = known; !ok {
					w.fail("a pin that was not sent, of seq", p.Seq)
				}
			default:
				w.rawBytes(hash[:])
				w.pins[p] = hash
			}
			if w.reading {
				e.Pins = append(e.Pins, crdt.Pin{Log: p.Log, Seq: p.Seq, Hash: hash})
			}
		}
	}
}
