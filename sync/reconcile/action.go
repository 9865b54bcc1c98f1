package reconcile

import (
	"crypto/ed25519"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Config is what a session knows before it begins.
type Config struct {
	// Root is the authority that this node believes.
	Root ed25519.PublicKey
	// Own is this device's certificate.
	Own []byte
	// Scopes are those that this side serves and wants, each covered by Own.
	Scopes []crdt.Scope
	// PeerKey is the key that the carrier authenticated.
	PeerKey ed25519.PublicKey
	// Peer is the device that is expected behind it.
	Peer crdt.Device
	// Known gives the certificate that counts on this node for a device.
	Known func(crdt.Device) ([]byte, bool)
	// Cut gives the seq past which a device's cut ends a log, held or not; nil: none has
	// one. A peer of which it ends one has no session.
	Cut func(crdt.LogID) (seq uint64, cut bool)
	// Memory is what is remembered of the peer; nil: nothing.
	Memory *Memory
	// Staged is what lies here of items that the last session left unfinished.
	Staged []Staged
	// Window is how many bytes may be on their way unacknowledged, by the carrier's
	// hint; at least MinWindow.
	Window int
	// Budget is what the contact may use; zero values are no limit.
	Budget Allowance
}

// Allowance bounds the frames of a contact, both ways, in bytes. Past Bytes only
// lanes 0 and 1 go on; past Hard the session ends.
type Allowance struct{ Bytes, Hard uint64 }

// Holding is what a node holds durably of one scope. A session keeps the maps and
// slices that it is given, so nobody may change them afterwards.
type Holding struct {
	Heads      map[crdt.LogID]crdt.Head // sealed heads of at least one entry
	Receipts   []*identity.Receipt      // verified, one a signer, own included
	Checkpoint Checkpoint               // the newest
	Group      []byte                   // the certificate of the hub's group that counts; nil: none
}

// Checkpoint names a checkpoint; the zero one is none.
type Checkpoint struct {
	At   crdt.Cite
	Hash crdt.Hash
}

// View is what a node holds of each scope of a session.
type View map[crdt.Scope]Holding

// Action is what a session wants done next; it is one of the types below.
type Action interface{ action() }

// Send wants frames written, together if the carrier can. The answer, when they
// have been, is Written; until then other actions may come.
type Send struct{ Frames [][]byte }

// Read wants the next segment of a log above a seq, ending at a seal at or below
// UpTo (0: anywhere). Of a branch it is a segment of the log that it left. The
// answer is Segment.
type Read struct {
	Log         crdt.LogID
	After, UpTo uint64
}

// Look wants the chain hashes of logs at seqs that this node holds. The answer
// is Hashes.
type Look struct{ At []crdt.Pos }

// Base wants the entry at a place, on which a segment rests, and the salt of its
// span. The answer is Based.
type Base struct{ At crdt.Pos }

// Ingest wants a verified segment stored, after the certificate that it rests on
// if this node doesn't know that yet (else nil). Where it differs from what is held
// it begins right after an entry that is held: it is a branch. The answer, when both
// are durable, is Stored, or else Declined.
type Ingest struct {
	Certificate []byte
	Segment     *wire.Segment
}

// Keep wants a verified receipt stored, likewise; one that is nil is none, and the
// certificate alone is kept. The answer is Stored or Declined.
type Keep struct {
	Certificate []byte
	Receipt     *identity.Receipt
	Group       []byte // the verified certificate of a hub's group; nil: none
}

// Stage wants what has come of an item on a lane kept durably until more of it has,
// in place of what was kept of that lane; no bytes: nothing is to be kept. The
// answer is Kept.
type Stage struct{ Staged }

// Staged is the beginning of an item that is too long for one frame.
type Staged struct {
	Lane  uint8
	Name  Hash // of the whole item
	Total uint64
	Bytes []byte
}

// Close is the last action: the connection is to be closed, after all that was
// sent has been written.
type Close struct{ Refusal *Refusal }

func (Send) action()   {}
func (Read) action()   {}
func (Look) action()   {}
func (Base) action()   {}
func (Ingest) action() {}
func (Keep) action()   {}
func (Stage) action()  {}
func (Close) action()  {}
