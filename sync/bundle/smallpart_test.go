package bundle_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// Where the next segment has no room in a part, no parts follow that repeat what the
// first has. (They did, without end, or until the stick was full of them.)
func TestASegmentLargerThanAPart(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	province.save(3)
	there := stick(t, t.TempDir())
	province.export(there, bundle.Order{}, office)
	office.imports(there) // now it has a receipt to write
	long := make([]byte, 3000)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(long); err != nil {
		t.Fatal(err)
	}
	_, err := office.SaveValue(scope, crdt.ClassRecords, long)
	must(t, err)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	out, err := office.b.Export(ctx, stick(t, t.TempDir()), bundle.Order{To: []crdt.Device{province.Claims.Device}, Part: 1700})
	if err != nil || !out.More || len(out.Files) != 1 {
		t.Errorf("%+v, %v; one part, and more to come", out, err)
	}
}
