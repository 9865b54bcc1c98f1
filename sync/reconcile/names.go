package reconcile

import (
	"crypto/sha256"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
)

// tagOf is the short name of a log.
func tagOf(log crdt.LogID) (tag [4]byte) {
	h := sha256.New()
	h.Write([]byte("vungxa log 1\x00"))
	h.Write(log.Device[:])
	h.Write(log.Incarnation[:])
	h.Write([]byte{byte(log.Class)})
	h.Write([]byte(log.Scope))
	copy(tag[:], h.Sum(nil))
	return tag
}

// tagged are the logs held here by their tags; two logs of one tag have none.
func (s *Session) tagged() map[[4]byte]crdt.LogID {
	if s.tags != nil {
		return s.tags
	}
	s.tags = map[[4]byte]crdt.LogID{}
	add := func(log crdt.LogID) {
		tag := tagOf(log)
		if other, taken := s.tags[tag]; taken && other != log {
			s.tags[tag] = crdt.LogID{}
			return
		}
		s.tags[tag] = log
	}
	for _, scope := range s.scopes {
		for log := range s.view[scope].Heads {
			add(log)
		}
	}
	for log := range s.fresh {
		add(log)
	}
	return s.tags
}

// name is how a log is named to the peer: by its tag if the peer holds something
// of it, else in full.
func (s *Session) name(log crdt.LogID) cbor.RawMessage {
	tag := tagOf(log)
	if s.out.sent[log].Seq > 0 && !s.plain && s.tagged()[tag] == log {
		return mustEncode(tag)
	}
	return s.fullName(log)
}

func (s *Session) fullName(log crdt.LogID) cbor.RawMessage {
	return mustEncode(fullName{
		Scope: uint(slices.Index(s.scopes, log.Scope)), Device: log.Device, Incarnation: log.Incarnation, Class: log.Class,
	})
}

// resolve is the other way; false where it is no name, or names nothing that is
// held here.
func (s *Session) resolve(name cbor.RawMessage) (crdt.LogID, bool) {
	if len(name) == 0 {
		return crdt.LogID{}, false
	}
	switch name[0] >> 5 {
	case majorBytes:
		var tag [4]byte
		if err := wire.Unmarshal(name, 5, &tag); err != nil {
			return crdt.LogID{}, false
		}
		log, ok := s.tagged()[tag]
		return log, ok && log != (crdt.LogID{})
	case majorArray:
		var full fullName
		if err := wire.Unmarshal(name, 64, &full); err != nil || full.Scope >= uint(len(s.scopes)) {
			return crdt.LogID{}, false
		}
		return crdt.LogID{Device: full.Device, Incarnation: full.Incarnation, Scope: s.scopes[full.Scope], Class: full.Class}, true
	}
	return crdt.LogID{}, false
}
