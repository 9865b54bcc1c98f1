package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// Limits of a receipt. MaxReceipt is its encoded size in bytes.
const (
	MaxReceiptLogs = 4096
	MaxReceipt     = 300 << 10
)

const receiptDomain = "vungxa receipt"

// LogHead is how far a log goes.
type LogHead struct {
	Log  crdt.LogID
	Head crdt.Head
}

// Receipt is a device's signed statement that it holds, durably, every entry of
// one scope up to these heads. A hub names the epoch and the raft index that it
// had applied; on a box or laptop both are 0.
type Receipt struct {
	Signer    crdt.Device
	Scope     crdt.Scope
	HubEpoch  uint64    // counts restores of the hub from backup; the first is 1
	Index     uint64    // of raft, applied and durable on the signer; 0 before the first
	Heads     []LogHead // sorted by log, each once
	Signature [ed25519.SignatureSize]byte
}

// wireHead is a head of a log of the receipt's scope.
type wireHead struct {
	_           struct{} `cbor:",toarray"`
	Device      crdt.Device
	Incarnation crdt.Incarnation
	Class       crdt.Class
	Seq         uint64
	Hash        crdt.Hash
}

// signedReceipt is what the signature covers.
type signedReceipt struct {
	_        struct{} `cbor:",toarray"`
	Domain   string
	Format   uint
	Signer   crdt.Device
	Scope    string
	HubEpoch uint64
	Index    uint64
	Heads    []wireHead
}

type wireReceipt struct {
	_         struct{} `cbor:",toarray"`
	Format    uint
	Signer    crdt.Device
	Scope     string
	HubEpoch  uint64
	Index     uint64
	Heads     []wireHead
	Signature [ed25519.SignatureSize]byte
}

// Sign fills in the signature. sign is Ed25519 under the signer's seal key.
func (r *Receipt) Sign(sign func(message []byte) []byte) error {
	m, err := r.signedBytes()
	if err != nil {
		return err
	}
	r.Signature = [ed25519.SignatureSize]byte(sign(m))
	return nil
}

// Verify checks the receipt's form, that its signer is certified for its scope,
// that only a hub speaks of epoch and index, and the signature. Its errors wrap
// ErrReceipt, and ErrUnknown or ErrScope where that is why.
func (r *Receipt) Verify(d *Directory) error {
	m, err := r.signedBytes()
	if err != nil {
		return err
	}
	c, err := d.member(r.Signer, r.Scope)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if hub := c.Role == RoleHub; hub != (r.HubEpoch > 0) || (!hub && r.Index > 0) {
		return fmt.Errorf("%w: a hub, and only a hub, names an epoch and an index", ErrReceipt)
	}
	if !ed25519.Verify(c.SealKey, m, r.Signature[:]) {
		return fmt.Errorf("%w: the signature is not that of device %s", ErrReceipt, r.Signer)
	}
	return nil
}

// Covers says whether the signer held the operation. It compares seqs only: that
// the hash at a head is the asker's own is for whoever keeps the log to check.
func (r *Receipt) Covers(dot crdt.Dot) bool {
	h, ok := r.Head(dot.Log)
	return ok && dot.Seq > 0 && dot.Seq <= h.Seq
}

// Head is how far the signer held a log.
func (r *Receipt) Head(log crdt.LogID) (crdt.Head, bool) {
	i, ok := slices.BinarySearchFunc(r.Heads, log, func(h LogHead, l crdt.LogID) int { return h.Log.Compare(l) })
	if !ok {
		return crdt.Head{}, false
	}
	return r.Heads[i].Head, true
}

// Encode gives the receipt's bytes.
func (r *Receipt) Encode() ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	return wire.Marshal(wireReceipt{
		Format: wire.Format, Signer: r.Signer, Scope: string(r.Scope), HubEpoch: r.HubEpoch, Index: r.Index,
		Heads: r.wireHeads(), Signature: r.Signature,
	})
}

// DecodeReceipt reads what Encode writes, and nothing else. Verify is still to
// be called.
func DecodeReceipt(b []byte) (*Receipt, error) {
	var w wireReceipt
	if err := wire.Unmarshal(b, MaxReceipt, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	if w.Format != wire.Format {
		return nil, fmt.Errorf("%w: format %d; this program knows %d", ErrReceipt, w.Format, wire.Format)
	}
	r := &Receipt{
		Signer: w.Signer, Scope: crdt.Scope(w.Scope), HubEpoch: w.HubEpoch, Index: w.Index,
		Heads: make([]LogHead, len(w.Heads)), Signature: w.Signature,
	}
	for i, h := range w.Heads {
		r.Heads[i] = LogHead{
			Log:  crdt.LogID{Device: h.Device, Incarnation: h.Incarnation, Scope: r.Scope, Class: h.Class},
			Head: crdt.Head{Seq: h.Seq, Hash: h.Hash},
		}
	}
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	return r, nil
}

func (r *Receipt) signedBytes() ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	return wire.Marshal(signedReceipt{
		Domain: receiptDomain, Format: wire.Format, Signer: r.Signer, Scope: string(r.Scope),
		HubEpoch: r.HubEpoch, Index: r.Index, Heads: r.wireHeads(),
	})
}

func (r *Receipt) wireHeads() []wireHead {
	out := make([]wireHead, len(r.Heads))
	for i, h := range r.Heads {
		out[i] = wireHead{
			Device: h.Log.Device, Incarnation: h.Log.Incarnation, Class: h.Log.Class, Seq: h.Head.Seq, Hash: h.Head.Hash,
		}
	}
	return out
}

func (r *Receipt) validate() error {
	if !goodScope(r.Scope) {
		return fmt.Errorf("scope of %d bytes, or with letters that scopes don't have", len(r.Scope))
	}
	if len(r.Heads) > MaxReceiptLogs {
		return fmt.Errorf("%d logs; at most %d", len(r.Heads), MaxReceiptLogs)
	}
	for i, h := range r.Heads {
		switch {
		case h.Log.Scope != r.Scope:
			return errors.New("a log of another scope")
		case h.Head.Seq == 0 || h.Head.Hash == crdt.Hash{}:
			return errors.New("a head of an empty log; leave it out")
		case i > 0 && r.Heads[i-1].Log.Compare(h.Log) >= 0:
			return errors.New("heads that are not sorted by log, or one log twice")
		}
	}
	return nil
}
