package daemon

import (
	"testing"

	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// Each restore of a hub begins a later epoch than what is restored had, whatever the
// clock says.
func TestARestoredHubsEpochIsALaterOne(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Options{Keys: keyring.Keys{StoreID: [16]byte{1}, Data: [32]byte{2}}, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	last := uint64(0)
	for _, seconds := range []int64{1_800_000_000, 1_800_000_000, 0, -1, 1_800_000_100} {
		err := s.Update(func(tx *store.Tx) error {
			if err := beginEpoch(tx, seconds); err != nil {
				return err
			}
			epoch, err := readEpoch(tx)
			if epoch <= last || epoch < uint64(max(0, seconds)) {
				t.Errorf("restored at %d: epoch %d after %d", seconds, epoch, last)
			}
			last = epoch
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
