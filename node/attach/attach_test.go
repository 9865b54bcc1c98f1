package attach

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/keyring"
)

var testKeys = keyring.Keys{StoreID: [16]byte{1, 2, 3}, Data: [32]byte{4, 5, 6}}

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir, Options{Keys: testKeys, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, b []byte) Hash {
	t.Helper()
	h, size, err := s.Put(context.Background(), bytes.NewReader(b))
	if err != nil || size != int64(len(b)) {
		t.Fatalf("put %d bytes: %d, %v", len(b), size, err)
	}
	return h
}

func get(s *Store, h Hash) ([]byte, error) {
	f, err := s.Open(h)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// files are the names of all files below a directory.
func files(t testing.TB, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func content(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	if _, err := r.Read(b); err != nil {
		panic(err)
	}
	return b
}

func TestPutAndOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var hashes []Hash
	sizes := []int{0, 1, 64<<10 - 1, 64 << 10, 300_000, 1 << 20}
	for _, n := range sizes {
		hashes = append(hashes, put(t, s, content(n)))
	}
	s = open(t, dir)
	for i, n := range sizes {
		b, err := get(s, hashes[i])
		if err != nil || !bytes.Equal(b, content(n)) {
			t.Errorf("%d bytes: %d came back, %v", n, len(b), err)
		}
		if again := put(t, s, content(n)); again != hashes[i] {
			t.Errorf("the same %d bytes have another hash", n)
		}
	}
	if n := len(files(t, dir)); n != len(sizes) {
		t.Errorf("%d files; want one for each content", n)
	}
	if _, err := get(s, Hash{9}); node.CodeOf(err) != node.NotFound {
		t.Errorf("what nobody put: %v; want that it isn't here", err)
	}
}

// The disk tells neither what is in a file, nor which of two stores hold the same.
func TestDiskTellsNothing(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	secret := []byte("Giấy khai sinh của Giàng Thị Mỷ")
	h := put(t, open(t, dir), secret)
	o, err := OpenStore(other, Options{Keys: keyring.Keys{StoreID: testKeys.StoreID, Data: [32]byte{7}}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, o, secret)
	a, b := files(t, dir), files(t, other)
	if len(a) != 1 || len(b) != 1 || filepath.Base(a[0]) == filepath.Base(b[0]) {
		t.Errorf("files %v and %v; want one each, with different names", a, b)
	}
	raw, err := os.ReadFile(a[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, secret[:8]) || strings.Contains(a[0], hex.EncodeToString(h[:4])) {
		t.Error("the content or its hash is on the disk")
	}
	if info, err := os.Stat(a[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want this user alone", info.Mode(), err)
	}
}

func TestPutThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	cut := errors.New("the upload was cut")
	if _, _, err := s.Put(context.Background(), io.MultiReader(bytes.NewReader(content(1000)), iotest.ErrReader(cut))); !errors.Is(err, cut) {
		t.Errorf("%v; want why it ended", err)
	}
	if _, _, err := s.Put(context.Background(), bytes.NewReader(content(1<<20+1))); node.CodeOf(err) != node.TooLarge {
		t.Errorf("%v; want too large", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := s.Put(ctx, bytes.NewReader(content(10))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want canceled", err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What a crash leaves in the middle of a Put goes when the store is opened.
func TestCrashInTheMiddleOfAPut(t *testing.T) {
	dir := t.TempDir()
	h := put(t, open(t, dir), content(10))
	half := filepath.Join(dir, dirIncoming, "123")
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the half file: %v; want it gone", err)
	}
	if _, err := get(s, h); err != nil {
		t.Error(err)
	}
}

// Whatever happens to a file, nothing of it is believed, Verify tells of it, and
// putting it again mends it.
func TestDamage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s := open(t, dir)
		plain := content(rapid.IntRange(0, 200_000).Draw(rt, "size"))
		h := put(t, s, plain)
		other := put(t, s, []byte("một tệp khác"))
		path := s.path(s.name(h))
		raw, err := os.ReadFile(path)
		if err != nil {
			rt.Fatal(err)
		}
		switch rapid.IntRange(0, 3).Draw(rt, "damage") {
		case 0:
			raw[rapid.IntRange(0, len(raw)-1).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		case 1:
			raw = raw[:rapid.IntRange(0, len(raw)-1).Draw(rt, "length")]
		case 2:
			raw = append(raw, 0)
		case 3: // a sound file of this store under another's name
			if raw, err = os.ReadFile(s.path(s.name(other))); err != nil {
				rt.Fatal(err)
			}
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			rt.Fatal(err)
		}
		if b, err := get(s, h); node.CodeOf(err) != node.Damaged || b != nil {
			rt.Fatalf("%d bytes, %v; want damage", len(b), err)
		}
		if err := s.Pin(h); node.CodeOf(err) != node.Damaged {
			rt.Fatalf("pin: %v; want damage", err)
		}
		kinds := findings(t, s, h, other)
		if !slices.Equal(kinds, []Kind{Damaged}) {
			rt.Fatalf("found %v; want one damaged", kinds)
		}
		if put(t, s, plain) != h {
			rt.Fatal("another hash")
		}
		if b, err := get(s, h); err != nil || !bytes.Equal(b, plain) {
			rt.Fatalf("put again: %v", err)
		}
		if kinds := findings(t, s, h, other); len(kinds) > 0 {
			rt.Fatalf("found %v after it was mended", kinds)
		}
	})
}

func naming(hashes ...Hash) func(func(Hash) error) error {
	return func(f func(Hash) error) error {
		for _, h := range hashes {
			if err := f(h); err != nil {
				return err
			}
		}
		return nil
	}
}

func findings(t testing.TB, s *Store, referenced ...Hash) (kinds []Kind) {
	t.Helper()
	_, err := s.Verify(context.Background(), naming(referenced...), func(f Finding) { kinds = append(kinds, f.Kind) })
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

func TestVerifyTellsOfMissingAndForeign(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	h := put(t, s, content(10))
	if kinds := findings(t, s, h, Hash{1}, Hash{1}); !slices.Equal(kinds, []Kind{Missing}) {
		t.Errorf("found %v; want one missing", kinds)
	}
	if err := os.WriteFile(filepath.Join(dir, "readme"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(filepath.Dir(s.path(s.name(h))), strings.Repeat("0", 32))); err != nil {
		t.Fatal(err)
	}
	if kinds := findings(t, s, h); !slices.Equal(kinds, []Kind{Foreign, Foreign}) {
		t.Errorf("found %v; want two foreign", kinds)
	}
}

// Collect removes what nothing points to after the next start, and nothing before:
// not what was just put, nor what is pinned, nor anything when it isn't known what
// is pointed to.
func TestCollect(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	kept, dropped, pinned := put(t, s, content(10)), put(t, s, content(20)), put(t, s, content(30))
	collect := func(s *Store, removed int, referenced ...Hash) {
		t.Helper()
		done, err := s.Collect(context.Background(), naming(referenced...))
		if err != nil || done.Removed != removed || done.Kept != len(files(t, dir)) {
			t.Fatalf("%+v, %v; want %d removed of %v", done, err, removed, files(t, dir))
		}
	}
	collect(s, 0)
	s = open(t, dir)
	unknown := errors.New("the store can't be read")
	if _, err := s.Collect(context.Background(), func(f func(Hash) error) error { return errors.Join(f(kept), unknown) }); !errors.Is(err, unknown) {
		t.Errorf("%v; want why", err)
	}
	if n := len(files(t, dir)); n != 3 {
		t.Fatalf("%d files after a collection that failed; want 3", n)
	}
	if err := s.Pin(pinned); err != nil {
		t.Fatal(err)
	}
	collect(s, 1, kept)
	if _, err := get(s, dropped); node.CodeOf(err) != node.NotFound {
		t.Errorf("what nothing points to: %v", err)
	}
	collect(open(t, dir), 1, kept)
	if _, err := get(s, kept); err != nil {
		t.Error(err)
	}
}

// What is put while others are being collected stays.
func TestPutWhileCollecting(t *testing.T) {
	dir := t.TempDir()
	old := put(t, open(t, dir), content(10))
	s := open(t, dir)
	_, err := s.Collect(context.Background(), func(func(Hash) error) error {
		put(t, s, content(10)) // the same again: somebody is about to point to it
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(s, old); err != nil {
		t.Error(err)
	}
}

func TestErase(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	h := put(t, s, content(10))
	for range 2 { // the second time there is nothing left to do
		if err := s.Erase(h); err != nil {
			t.Fatal(err)
		}
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestReferences(t *testing.T) {
	a, b := Hash{1}, Hash{2}
	list := slices.Concat([]byte{0x83}, Reference(a), []byte{0x61, 'x'}, Reference(b))
	if got := References(list); !slices.Equal(got, []Hash{a, b}) {
		t.Errorf("found %v", got)
	}
	if got := References(slices.Concat(referenceHead, Reference(b))); !slices.Contains(got, b) {
		t.Errorf("found %v; want what stands behind the beginning of another, too", got)
	}
	for _, none := range [][]byte{nil, {0xf6}, Reference(a)[:37], []byte("vxa1")} {
		if got := References(none); len(got) > 0 {
			t.Errorf("found %v in % x", got, none)
		}
	}
}

// The vector of FORMAT.md: a second implementation opens this file.
func TestVector(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "v1", "attachment"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := open(t, dir)
	plain := []byte("Xin chào, Vùng Xa\n")
	h := put(t, s, plain)
	const wantHash, wantName = "4ddc99da15e2d5a0e029e197b55f93fd1da4aa08b8875ee2190cd03678417948", "30937b12cd4b1a4c219c4b550cbd3baa"
	n := s.name(h)
	if h.String() != wantHash || hex.EncodeToString(n[:]) != wantName {
		t.Errorf("hash %v, name %x; want %s and %s", h, n, wantHash, wantName)
	}
	if err := os.WriteFile(s.path(n), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := get(s, h); err != nil || !bytes.Equal(b, plain) {
		t.Errorf("the vector: %q, %v", b, err)
	}
	if got, want := hex.EncodeToString(Reference(h)), "582476786131"+wantHash; got != want {
		t.Errorf("reference %s; want %s", got, want)
	}
}
