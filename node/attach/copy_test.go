package attach

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// Under other keys the same attachments are there, and their names on the disk are
// others; a damaged one isn't copied as if it were whole.
func TestCopyAll(t *testing.T) {
	old, fresh := keyring.Keys{StoreID: [16]byte{1}, Data: [32]byte{1}}, keyring.Keys{StoreID: [16]byte{1}, Data: [32]byte{2}}
	from, err := OpenStore(t.TempDir(), Options{Keys: old})
	if err != nil {
		t.Fatal(err)
	}
	all := map[Hash][]byte{}
	for _, size := range []int{0, 10, 200_000} {
		b := bytes.Repeat([]byte{byte(size)}, size)
		h, _, err := from.Put(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		all[h] = b
	}
	to, err := OpenStore(t.TempDir(), Options{Keys: fresh})
	if err == nil {
		err = to.CopyAll(t.Context(), from)
	}
	if err != nil {
		t.Fatal(err)
	}
	for h, want := range all {
		f, err := to.Open(h)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) || f.Close() != nil {
			t.Errorf("%d bytes: %d came back, %v", len(want), len(got), err)
		}
		if _, err := os.Stat(filepath.Join(to.dir, from.path(from.name(h))[len(from.dir):])); err == nil {
			t.Error("a name on the disk is the same under another key")
		}
		path := from.path(from.name(h))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-1] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.CopyAll(t.Context(), from); node.CodeOf(err) != node.Damaged {
		t.Errorf("damaged ones: %v", err)
	}
}
