package replica

import (
	"context"
	"crypto/ed25519"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
)

// Log is what a replica needs of the node's logs. Its methods are called from
// several goroutines at once. A call sees everything that was durable before it.
type Log interface {
	// Heads gives the sealed head of every log of the scope that is held, and of each
	// branch of one that has forked (crdt.Forks, with nothing settled), at
	// least one entry each, up to which nothing is missing; what is unsealed of the
	// node's own is sealed first. A head goes back when a hole is found below it:
	// then Ingest is given what was held there again. The map is the caller's.
	Heads(scope crdt.Scope) (map[crdt.LogID]crdt.Head, error)

	// Segment gives the entries from after+1 to a stored seal at or below upTo (0:
	// anywhere), as many as the limits of package wire allow; nil if there is no such
	// seal above after. So a node seals often enough that the entries between two
	// seals fit a segment. Of a branch (crdt.BranchName) it gives entries of the log
	// that the branch left, at the earliest the first that differs.
	Segment(log crdt.LogID, after, upTo uint64) (*wire.Segment, error)

	// Entry gives an entry in its carried form; nil if it isn't held.
	Entry(log crdt.LogID, seq uint64) ([]byte, error)

	// Salt gives the salt of a span of a log; nil if it isn't held.
	Salt(log crdt.LogID, span uint64) (*wire.Salt, error)

	// HashAt gives the chain hash of a log at a seq from 1; false if it isn't held.
	HashAt(log crdt.LogID, seq uint64) (crdt.Hash, bool, error)

	// Receipts gives the receipts stored for the scope: one a signer, this
	// node's own included. One that names another branch of a log than the one that
	// has the log's name here is left out: its signer held that one alone.
	Receipts(scope crdt.Scope) ([]*identity.Receipt, error)

	// StoreReceipt keeps a verified receipt durably, in place of the one that it
	// holds of the same signer and scope, unless reconcile.Newer says that the
	// one held is newer: sessions with two peers may store at the same time.
	StoreReceipt(r *identity.Receipt) error

	// StoreCertificate keeps a verified device certificate durably, so that it is
	// in Config.Directory again after a restart.
	StoreCertificate(cert []byte) error

	// Changed gives a channel that is closed at the next change of heads or
	// receipts, before the call that made it returns; the same one until then.
	// Whoever wants to miss nothing asks for it before reading.
	Changed() <-chan struct{}
}

// Ingest stores verified segments; they are durable and seen by Heads when it
// returns nil. Each fits the head of its log or lies partly below it: what is
// held already is skipped, a hole is filled, a gap is an error. Where a segment differs
// from what is held, it is a branch, and kept beside it. A *reconcile.Refusal says
// that the segment won't be taken, and tells the peer why; any other error is this
// node's own trouble, and ends the session. A segment of the
// node's own log above its own head means that its store was restored: the
// engine begins a new incarnation. On a hub this is the proposal to raft.
type Ingest func(ctx context.Context, segments []*wire.Segment) error

// Sign makes this node's receipt for a scope at these heads: on a hub with the
// hub's epoch and the raft index that it has applied. It doesn't store it.
type Sign func(ctx context.Context, scope crdt.Scope, heads []identity.LogHead) (*identity.Receipt, error)

// Notes keeps what a replica remembers of a peer, and what has come of items that are
// too long for one frame: nothing of it is believed, and all of it may be lost.
type Notes interface {
	// Note gives what is kept of a peer under a name; nil: nothing.
	Note(peer crdt.Device, name string) ([]byte, error)
	// PutNote keeps it durably and sealed, in place of what was kept; empty: nothing
	// is kept any more. It is at most a little over 1 MiB, under one of eight names.
	PutNote(peer crdt.Device, name string, value []byte) error
}

// Hear is told when this node last had a sign of life of a device: its own
// words, or entries or receipts of it that another carried here.
type Hear interface {
	// Heard is called often and from several goroutines; it returns at once.
	Heard(device crdt.Device, atMS int64)
}

// Carrier makes connections. The peer's key is authenticated before either
// method returns.
type Carrier interface {
	// Dial connects to the peer with this key at the address.
	Dial(ctx context.Context, address string, peer ed25519.PublicKey) (Conn, error)

	// Accept waits for the next connection. After an error that isn't ctx's the
	// carrier is closed.
	Accept(ctx context.Context) (Conn, error)
}

// Conn carries frames of at most reconcile.MaxFrame bytes, whole and in order.
// One goroutine reads while another writes.
type Conn interface {
	PeerKey() ed25519.PublicKey
	// Window is how many bytes suit the line, sent and not acknowledged.
	Window() int
	ReadFrame() ([]byte, error)
	// WriteFrames hands over all that is ready at once.
	WriteFrames(frames [][]byte) error
	// Close ends both, and unblocks a read or write that waits. What WriteFrames
	// took before is still delivered if the line allows. It may be called twice.
	Close() error
}
