package simtest

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"math/rand/v2"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/replica"
	"github.com/vungxa/vungxa/sync/replica/memlog"
)

// Spec is a device as it was enrolled.
type Spec struct {
	Name   string
	Role   identity.Role
	Scopes []crdt.Scope
	Now    func() time.Time // its own clock, which may be wrong
	Rand   *rand.Rand       // its own chance
}

// Maker makes stores.
type Maker interface {
	// Make opens a device on an image of a disk, or on a new one (nil). restored says
	// that the image is an old one that a person put back.
	Make(spec Spec, image any, restored bool) (Store, error)
}

// Store is a device's disk and what runs on it. What a method did is durable when it
// returns.
type Store interface {
	replica.Log
	replica.Notes
	// Self is who the device is, and whom it knows.
	Self() Self
	// Ingest is a replica.Ingest, and Sign a replica.Sign.
	Ingest(ctx context.Context, segments []*wire.Segment) error
	Sign(ctx context.Context, scope crdt.Scope, heads []identity.LogHead) (*identity.Receipt, error)
	// Save writes something, as chance has it, and gives a word by which Holds finds
	// it again, on any device that has it.
	Save(draw *rand.Rand) (proof string, err error)
	// Holds says why what was saved isn't here.
	Holds(proof string) error
	// Image is what would be found on the disk if the power went now. The store goes on.
	Image() (any, error)
	// Sound says what is wrong with what the store makes of its logs; it is asked at rest.
	Sound() error
	// State is a digest of what is shown.
	State() (crdt.Hash, error)
	// Close ends it, as a power cut does: what it still does is nobody's.
	Close() error
}

// Self is a device's identity.
type Self struct {
	Claims      identity.Claims
	Certificate []byte
	Directory   *identity.Directory
	Opens       *ecdh.PrivateKey // what bundles are sealed for
	Sign        func([]byte) []byte
}

// SelfOf is the identity of a card.
func SelfOf(n *memlog.Node) Self {
	return Self{n.Claims, n.Certificate, n.Directory, n.Keys.HPKE, signer(n.Keys.Seal)}
}

// Root is the authority of every history. Its name is all that it protects.
var Root = memlog.Key("authority")

func rootKey() ed25519.PublicKey { return identity.Public(Root) }

func signWith(key ed25519.PrivateKey, m []byte) []byte { return ed25519.Sign(key, m) }
