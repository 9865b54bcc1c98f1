package bundle_test

import (
	"math/rand/v2"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// Where the next segment has no room in a part, no parts follow that repeat what the
// first has. (They did, without end, or until the stick was full of them.)
func TestASegmentLargerThanAPart(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	long := make([]byte, 3000)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(long); err != nil {
		t.Fatal(err)
	}
	_, err := office.SaveValue(scope, crdt.ClassRecords, long)
	must(t, err)
	s := stick(t, t.TempDir())
	out, err := office.b.Export(t.Context(), s, bundle.Order{To: []crdt.Device{province.Claims.Device}, Part: 1700, Heads: true})
	if err != nil || !out.More || len(out.Files) != 1 {
		t.Errorf("%+v, %v; one part, and more to come", out, err)
	}
}
