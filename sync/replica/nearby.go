package replica

import (
	"bytes"
	"crypto/ed25519"
	"time"
)

// Nearby says that a device with a key can be called at an address, until the next start.
// One that nobody named becomes a peer if Config.Meets agrees. Of two devices that find
// each other the one with the smaller key calls; a peer with an address of its own is
// called there and here in turn.
func (r *Replica) Nearby(key ed25519.PublicKey, address string) error {
	p := r.byKey(key)
	if p == nil {
		met, ok := r.meets(key)
		if !ok {
			return nil
		}
		if err := r.add(met); err != nil {
			return err
		}
		p = r.byKey(key)
		r.announce()
	}
	if p.Address == "" && bytes.Compare(r.ownKey, key) > 0 {
		return nil // it calls
	}
	p.found(address)
	return nil
}

func (r *Replica) meets(key ed25519.PublicKey) (Peer, bool) {
	if r.cfg.Meets == nil || r.ownKey.Equal(key) {
		return Peer{}, false
	}
	return r.cfg.Meets(key)
}

// caller is the peer that has called; nil: nobody who is welcome.
func (r *Replica) caller(key ed25519.PublicKey) *peer {
	if p := r.byKey(key); p != nil {
		return p
	}
	met, ok := r.meets(key)
	if !ok {
		return nil
	}
	if err := r.add(met); err != nil {
		return r.byKey(key) // it was found at this moment
	}
	r.announce()
	return r.byKey(key)
}

// found notes where the peer was heard. A new place is called at once.
func (p *peer) found(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nearby == address {
		return
	}
	p.nearby = address
	p.failures, p.notBefore = 0, time.Time{}
	p.nudge()
}

// place is where to call the peer now; "": nowhere.
func (p *peer) place() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.nearby != "" && (p.Address == "" || p.failures%2 == 0) {
		return p.nearby
	}
	return p.Address
}
