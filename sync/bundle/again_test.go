package bundle_test

import (
	"testing"

	"github.com/vungxa/vungxa/sync/bundle"
	"github.com/vungxa/vungxa/sync/identity"
)

// A file that comes again, whether it was the first of all, the last, or one between, is
// here already: nothing before it is missing, and nothing of it is kept waiting.
func TestTakenBefore(t *testing.T) {
	office, province := newDesk(t, "laptop", identity.RoleLaptop), newDesk(t, "hub", identity.RoleHub)
	know(t, office, province)
	s := stick(t, t.TempDir())
	office.SegmentEntries = 5
	var old []*bundle.Stick // as the stick left the office
	for round := range 4 {
		for range round + 1 {
			office.save(5)
			office.seal()
		}
		office.swap(s, province)
		again := stick(t, t.TempDir())
		found, err := s.List()
		must(t, err)
		for _, f := range found {
			raw, err := s.Read(f.Name)
			must(t, err)
			must(t, again.Write(f.Name, raw))
		}
		old = append(old, again)
		province.save(2) // so the office signs for something, and its receipts grow
		province.swap(s)
		for i, again := range old {
			out := province.imports(again)
			for _, f := range out.Files {
				if out.Entries != 0 || f.State != bundle.Taken && f.State != bundle.Ours {
					t.Errorf("round %d, file of round %d: %+v", round, i, f)
				}
			}
		}
		if n := len(list(t, province.waiting)); n > 0 {
			t.Errorf("round %d: %d files are kept waiting", round, n)
		}
		office.swap(s, province)
	}
}
