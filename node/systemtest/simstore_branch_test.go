//go:build linux

package systemtest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/sync/identity"
	"github.com/vungxa/vungxa/sync/simtest"
)

// What was acknowledged on either of two machines of one name is found at the province, also
// what made the record that has another id there; what nobody saved isn't.
func TestASaveIsFoundOnBothBranches(t *testing.T) {
	const scope crdt.Scope = "c/03646"
	m := newEngines(t)
	spec := func(name string, role identity.Role) simtest.Spec {
		return simtest.Spec{Name: name, Role: role, Scopes: []crdt.Scope{scope}, Now: func() time.Time { return simStart }}
	}
	begin := func(spec simtest.Spec, image any) *engineStore {
		s, err := m.Make(spec, image, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s.(*engineStore)
	}
	save := func(s *engineStore) string {
		proof, err := s.Save(rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return proof
	}
	box, hub := begin(spec("box", identity.RoleBox), nil), begin(spec("hub", identity.RoleHub), nil)
	image, err := box.Image()
	if err != nil {
		t.Fatal(err)
	}
	twin := begin(spec("box", identity.RoleBox), image)
	proofs := []string{save(box), save(twin)}
	for _, s := range []*engineStore{box, twin} {
		if err := hub.StoreCertificate(s.card.Certificate); err != nil {
			t.Fatal(err)
		}
		if _, err := hub.card.Directory.Add(s.card.Certificate); err != nil {
			t.Fatal(err)
		}
		heads, err := s.Heads(scope)
		if err != nil {
			t.Fatal(err)
		}
		for log := range heads {
			seg, err := s.Segment(log, 0, 0)
			if err == nil {
				err = hub.Ingest(t.Context(), []*wire.Segment{seg})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, proof := range proofs {
		if err := hub.Holds(proof); err != nil {
			t.Error(err)
		}
	}
	if err := hub.Holds(save(twin)); err == nil {
		t.Error("the province holds what it was never told")
	}
}

var simStart = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
