package engine

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"log/slog"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
	"github.com/vungxa/vungxa/sync/identity"
)

// Bare is an engine on a store of its own with no daemon around it: what
// benchmarks measure, and what tests cut the power of.
type Bare struct {
	*Engine
	Store *store.Store
}

// OpenBare opens the store in dir, under a data key made of key, and an engine on
// it whose device is that of key. Of cfg it sets Store, Device and Sign, and RoleOf where it is nil, to know
// no other device.
func OpenBare(dir string, key ed25519.PrivateKey, cfg Config) (*Bare, error) {
	s, err := store.Open(dir, store.Options{
		Log: slog.New(slog.DiscardHandler), Keys: keyring.Keys{Data: sha256.Sum256(key)},
	})
	if err != nil {
		return nil, err
	}
	cfg.Store, cfg.Device = s, identity.DeviceOf(identity.Public(key))
	cfg.Sign = func(m []byte) []byte { return ed25519.Sign(key, m) }
	if cfg.RoleOf == nil {
		cfg.RoleOf = func(crdt.Device) (identity.Role, bool) { return "", false }
	}
	e, err := Open(cfg)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &Bare{e, s}, nil
}

// Close closes the engine, and then its store.
func (b *Bare) Close() error { return errors.Join(b.Engine.Close(), b.Store.Close()) }
