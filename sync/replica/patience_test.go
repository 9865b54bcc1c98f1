package replica

import (
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/sync/reconcile"
)

// wanting is a place that lacks one attachment, and takes every piece of it.
type wanting struct{ Files }

func (wanting) Lacks(_ []crdt.Scope, except map[[32]byte]bool) (*reconcile.Content, error) {
	if except[[32]byte{1}] {
		return nil, nil
	}
	return &reconcile.Content{Hash: [32]byte{1}}, nil
}

func (wanting) Append([32]byte, uint64, uint64, []byte) error { return nil }

// An attachment that comes slowly is left to the session that it comes over, for as long
// as pieces come; then another may have it.
func TestASlowAttachmentIsLeftToItsLine(t *testing.T) {
	now := time.Unix(0, 0)
	f, r := newFetching(), &Replica{cfg: Config{Now: func() time.Time { return now }}}
	slow, other := &drive{r: r, p: &peer{}}, &drive{r: r, p: &peer{}}
	f.join(slow)
	f.join(other)
	claims := func(d *drive) bool {
		c, err := f.claim(d, wanting{}, reconcile.Seek{Except: map[[32]byte]bool{}})
		if err != nil {
			t.Fatal(err)
		}
		return c != nil
	}
	if !claims(slow) {
		t.Fatal("nobody may fetch it")
	}
	for n := range uint64(5) {
		now = now.Add(fetchPatience * 3 / 4)
		if claims(other) {
			t.Fatalf("after %d pieces another session fetches it", n)
		}
		if err := f.append(slow, wanting{}, reconcile.Append{Hash: [32]byte{1}, Offset: n, Total: 100, Bytes: []byte{0}}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(fetchPatience)
	if !claims(other) {
		t.Error("it isn't fetched from another when nothing comes")
	}
	if f.append(slow, wanting{}, reconcile.Append{Hash: [32]byte{1}, Offset: 5, Total: 100, Bytes: []byte{0}}) == nil {
		t.Error("two sessions write to it at once")
	}
}
