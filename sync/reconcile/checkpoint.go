package reconcile

import (
	"bytes"
	"errors"
	"slices"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/identity"
)

// Checkpoints go before everything else, behind the certificate of the hub's group that
// says who signs them. Whoever holds a newer one than its peer passes it on, with all
// that lead to it and the signatures over it; so a device learns from another what the
// hub has decided.

// Named is a checkpoint as a peer names it.
type Named struct {
	At   crdt.Cite
	Hash Hash
}

// Chained wants the checkpoints of a scope after the one that the peer holds (the zero
// one: none), in a chain of at most Max bytes that the peer will believe. The answer is
// Chain.
type Chained struct {
	Scope crdt.Scope
	After Named
	Max   int
}

// Believe wants checkpoints obeyed and kept, with their signatures: most of the group
// that counts has signed them. The answer, when they are durable, is Stored, or else
// Declined.
type Believe struct {
	Chain       *identity.Chain
	Checkpoints []*crdt.Checkpoint
	Hashes      []crdt.Hash
}

func (Chained) action() {}
func (Believe) action() {}

// Decided is what is held of a scope's checkpoints: the newest, and the hash of the
// certificate of the hub's group (zero: none).
type Decided struct {
	Named
	Group Hash
}

// authority is the log of no device that stands for a scope's checkpoints where one is
// refused.
func authority(scope crdt.Scope) crdt.LogID { return crdt.LogID{Scope: scope} }

// decided is what is held here of a scope.
func (s *Session) decided(scope crdt.Scope) Decided {
	h := s.view[scope]
	d := Decided{Named: Named{At: h.Checkpoint.At, Hash: short(h.Checkpoint.Hash)}}
	if len(h.Group) > 0 {
		d.Group = hashOf(h.Group)
	}
	return d
}

// state gives it as heads and digests have it.
func (d Decided) state() named {
	n := named{Epoch: d.At.Epoch, Index: d.At.Index, Hash: d.Hash}
	if d.Group != (Hash{}) {
		n.Group = d.Group[:]
	}
	return n
}

func (n named) decided() Decided {
	d := Decided{Named: Named{At: crdt.Cite{Epoch: n.Epoch, Index: n.Index}, Hash: n.Hash}}
	copy(d.Group[:], n.Group)
	return d
}

func (n named) check() error {
	if len(n.Group) != 0 && len(n.Group) != len(Hash{}) {
		return errors.New("a group's hash that is none")
	}
	return nil
}

// lacksGroup says whether the peer is to be sent the group's certificate.
func (s *Session) lacksGroup(scope crdt.Scope) bool {
	group := s.decided(scope).Group
	return group != (Hash{}) && group != s.out.decided[scope].Group
}

// lacksCheckpoint says whether the peer is to be sent checkpoints.
func (s *Session) lacksCheckpoint(scope crdt.Scope) bool {
	own, its := s.decided(scope), s.out.decided[scope]
	_, held := s.held[authority(scope)]
	return own.Hash != (Hash{}) && own.Hash != its.Hash && own.At.Compare(its.At) >= 0 && !held && !s.out.chainless[scope]
}

// sendGroup makes a group's certificate the next item.
func (s *Session) sendGroup(scope crdt.Scope) {
	cert := s.view[scope].Group
	b, err := encode(carrier{Kind: kindGroup, Item: cert})
	if err != nil {
		s.Refuse(Refuse(Unavailable, "scope %s: a group that can't be encoded", scope))
		return
	}
	it := &item{bytes: b, decided: map[crdt.Scope]Decided{}}
	for _, other := range s.scopes {
		if s.decided(other).Group == hashOf(cert) {
			it.decided[other] = Decided{Group: hashOf(cert)}
		}
	}
	s.put(laneControl, it)
}

// askChain asks for the checkpoints that the peer lacks.
func (s *Session) askChain(scope crdt.Scope) {
	most := identity.MaxChain - 64
	if s.alone != nil && s.alone.room-MessageFrame-64 < most {
		most = s.alone.room - MessageFrame - 64
	}
	s.question(Chained{Scope: scope, After: s.out.decided[scope].Named, Max: most}, nil)
}

// Chain answers Chained; nil: there is none that the peer would believe.
func (s *Session) Chain(c *identity.Chain) {
	a, ok := s.ask.(Chained)
	s.ask, s.asked = nil, false
	if !ok || s.refusal != nil {
		return
	}
	if c == nil {
		s.out.chainless[a.Scope], s.out.plan = true, nil
		return
	}
	all, hashes, err := c.Read()
	if err != nil {
		s.Refuse(Refuse(Unavailable, "scope %s: checkpoints that can't be read", a.Scope))
		return
	}
	b, err := c.Encode()
	if err == nil {
		b, err = encode(carrier{Kind: kindCheckpoint, Item: b})
	}
	if err != nil {
		s.Refuse(Refuse(Unavailable, "scope %s: checkpoints that can't be encoded", a.Scope))
		return
	}
	last := Named{At: all[len(all)-1].At, Hash: short(hashes[len(hashes)-1])}
	s.put(laneControl, &item{bytes: b, decided: map[crdt.Scope]Decided{a.Scope: {Named: last}}})
}

// onto is what a peer holds once an item has arrived.
func (it *item) onto(all map[crdt.Scope]Decided) {
	for scope, d := range it.decided {
		has := all[scope]
		if d.Group != (Hash{}) {
			has.Group = d.Group
		}
		if d.Hash != (Hash{}) {
			has.Named = d.Named
		}
		all[scope] = has
	}
}

// takeGroup keeps the certificate of a hub's group.
func (s *Session) takeGroup(cert []byte) {
	if s.certs++; s.certs > MaxCertificates {
		s.Refuse(Refuse(Limit, "certificate %d", s.certs))
		return
	}
	g, err := s.dir.AddGroup(cert)
	if err != nil {
		s.Refuse(Refuse(Certificate, "%v", err))
		return
	}
	news := false
	for _, scope := range s.scopes {
		if !g.Covers(scope) {
			continue
		}
		(&item{decided: map[crdt.Scope]Decided{scope: {Group: hashOf(cert)}}}).onto(s.out.decided)
		s.out.plan = nil
		news = news || bytes.Equal(s.dir.GroupCertificate(scope), cert) && !bytes.Equal(s.view[scope].Group, cert)
	}
	if news {
		s.question(Keep{Group: cert}, func() { s.stale = s.stale || s.no == nil })
	}
}

// takeCheckpoint checks a chain of checkpoints, and has them obeyed. One that isn't
// believed is told of, and blocks nothing.
func (s *Session) takeCheckpoint(b []byte) {
	c, err := identity.DecodeChain(b)
	var all []*crdt.Checkpoint
	var hashes []crdt.Hash
	if err == nil {
		all, hashes, err = c.Read()
	}
	if err != nil {
		s.Refuse(Refuse(Malformed, "%v", err))
		return
	}
	scope, last := all[0].Scope, len(all)-1
	if !slices.Contains(s.scopes, scope) {
		s.decline(Refuse(Scope, "checkpoints of scope %+q, which is not shared", scope), mustEncode([]byte{}), 0)
		return
	}
	of := s.fullName(authority(scope))
	g, known := s.dir.Group(scope)
	if !known {
		s.decline(Refuse(Unproven, "scope %s: no hub group is known", scope), of, 0)
		return
	}
	if err := g.Signed(c, scope); err != nil {
		s.decline(Refuse(Unproven, "scope %s: %v", scope, err), of, 0)
		return
	}
	s.question(Believe{Chain: c, Checkpoints: all, Hashes: hashes}, func() {
		if s.no != nil {
			s.decline(s.no, of, 0)
			return
		}
		it := item{decided: map[crdt.Scope]Decided{scope: {Named: Named{At: all[last].At, Hash: short(hashes[last])}}}}
		it.onto(s.out.decided)
		it.onto(s.out.decidedSure)
		s.stale, s.out.plan = true, nil
	})
}

// learnGroups has the session believe the groups that this node does.
func (s *Session) learnGroups() {
	for _, scope := range s.config.Scopes {
		if cert := s.view[scope].Group; len(cert) > 0 && !bytes.Equal(cert, s.dir.GroupCertificate(scope)) {
			if _, err := s.dir.AddGroup(cert); err != nil {
				s.Refuse(Refuse(Unavailable, "scope %s: the group's certificate", scope))
			}
		}
	}
}

// decidedAnew has what the peer wouldn't take tried again where something has changed.
func (s *Session) decidedAnew(before View) {
	for _, scope := range s.scopes {
		was, now := before[scope], s.view[scope]
		if was.Checkpoint != now.Checkpoint || !bytes.Equal(was.Group, now.Group) {
			delete(s.out.chainless, scope)
			delete(s.held, authority(scope))
		}
	}
}
