package engine

import (
	"fmt"

	"github.com/vungxa/vungxa/crdt"
)

// What is remembered of a peer and what has come in part from it: local items, sealed
// like all values, of which nothing is believed and everything may be lost.
const localPeer = "peer"

func peerNote(peer crdt.Device, name string, piece int) string {
	return fmt.Sprintf("%v/%s/%d", peer, name, piece)
}

// notePiece is how much of a note one value holds: less than the store's largest.
const notePiece = 384 << 10

// Note gives what is kept of a peer under a name; nil where there is nothing.
func (e *Engine) Note(peer crdt.Device, name string) (note []byte, err error) {
	for i := 0; i == 0 || len(note) == i*notePiece; i++ {
		b, err := e.Local(localPeer, peerNote(peer, name, i))
		if err != nil {
			return nil, fmt.Errorf("what is remembered of the peer %v: %w", peer, err)
		}
		if len(b) == 0 {
			break
		}
		note = append(note, b...)
	}
	return note, nil
}

// PutNote keeps something of a peer in place of what was kept; empty: nothing. A
// crash may leave it mixed with what was before, which its reader finds out.
func (e *Engine) PutNote(peer crdt.Device, name string, value []byte) error {
	for i := 0; ; i++ {
		n := min(len(value), notePiece)
		if err := e.putPiece(peerNote(peer, name, i), value[:n]); err != nil {
			return fmt.Errorf("remember the peer %v: %w", peer, err)
		}
		if value = value[n:]; n < notePiece {
			return nil
		}
	}
}

// putPiece writes a piece. What is empty and was never written stays so.
func (e *Engine) putPiece(name string, b []byte) error {
	if len(b) == 0 {
		have, err := e.Local(localPeer, name)
		if err != nil || len(have) == 0 {
			return err
		}
	}
	return e.StoreLocal(localPeer, name, b)
}
