package attach

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/vungxa/vungxa/node"
)

const piece = 16 << 10

// feed appends a content from an offset on, until a byte.
func feed(t testing.TB, s *Store, h Hash, b []byte, from, to int) (whole bool, err error) {
	t.Helper()
	for at := from; at < to && err == nil; at += piece {
		whole, err = s.Append(h, uint64(at), uint64(len(b)), b[at:min(at+piece, to)])
	}
	return whole, err
}

func have(t testing.TB, s *Store, h Hash) int {
	t.Helper()
	n, err := s.Have(h)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// Pieces are durable one by one: another run goes on where the last one ended, also
// behind one that was torn; and the whole is what its name says.
func TestPiecesBecomeAnAttachment(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	b := content(200_000)
	h := put(t, open(t, t.TempDir()), b)
	if whole, err := feed(t, s, h, b, 0, 5*piece); whole || err != nil {
		t.Fatal(whole, err)
	}
	if _, err := s.Append(h, 7*piece, uint64(len(b)), b[7*piece:8*piece]); !errors.Is(err, ErrPlace) {
		t.Errorf("a piece behind a gap: %v", err)
	}
	if _, err := s.Append(h, 0, uint64(len(b)), b[:piece]); err != nil || have(t, s, h) != 5*piece {
		t.Errorf("a piece that is here: %v", err)
	}
	lying := files(t, dir)
	raw, err := os.ReadFile(lying[0])
	if err != nil || len(lying) != 1 || bytes.Contains(raw, b[:64]) {
		t.Fatalf("%v, %v; want one sealed file", lying, err)
	}
	if err := os.WriteFile(lying[0], raw[:len(raw)-7], 0o600); err != nil { // a crash in the last one
		t.Fatal(err)
	}
	s = open(t, dir)
	if n := have(t, s, h); n != 4*piece {
		t.Fatalf("%d bytes behind a torn piece; want %d", n, 4*piece)
	}
	if held, err := s.Has(h); held || err != nil {
		t.Error("it is here before it is whole")
	}
	if whole, err := feed(t, s, h, b, 4*piece, len(b)); !whole || err != nil {
		t.Fatal(whole, err)
	}
	if got, err := get(s, h); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes came together, %v", len(got), err)
	}
	if n := len(files(t, dir)); n != 1 || have(t, s, h) != 0 {
		t.Errorf("%d files; want the attachment alone", n)
	}
	for _, at := range []int{0, 1, piece, 65_535, len(b) - 3, len(b)} {
		got, total, err := s.Piece(h, uint64(at), piece)
		if err != nil || total != uint64(len(b)) || !bytes.Equal(got, b[at:min(at+piece, len(b))]) {
			t.Errorf("a piece at %d: %d bytes of %d, %v", at, len(got), total, err)
		}
	}
}

// What isn't what its name says is kept nowhere, nor what is too large; erasing takes
// pieces away, and only so many contents lie here in part.
func TestPiecesThatAreNotKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	b := content(3 * piece)
	if whole, err := feed(t, s, Hash{1}, b, 0, len(b)); !whole || !errors.Is(err, ErrContent) {
		t.Errorf("another content: %v, %v", whole, err)
	}
	if _, err := s.Append(Hash{1}, 0, 1<<20+1, b[:piece]); !errors.Is(err, ErrLarge) {
		t.Errorf("one that is too large: %v", err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := feed(t, s, Hash{2}, b, 0, piece); err != nil {
		t.Fatal(err)
	}
	if err := s.Erase(Hash{2}); err != nil || len(files(t, dir)) > 0 {
		t.Errorf("erased: %v, %v", err, files(t, dir))
	}
	for i := range byte(MaxPartial + 3) {
		if _, err := feed(t, s, Hash{9, i}, b, 0, piece); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(files(t, filepath.Join(dir, dirPartial))); n != MaxPartial || have(t, s, Hash{9, 0}) > 0 || have(t, s, Hash{9, MaxPartial}) != piece {
		t.Errorf("%d in part; want %d, the first ones gone", n, MaxPartial)
	}
	if kinds := findings(t, s); len(kinds) > 0 {
		t.Errorf("found %v; pieces are nothing foreign", kinds)
	}
}

// A damaged attachment is served to nobody.
func TestNoPieceOfADamagedOne(t *testing.T) {
	s := open(t, t.TempDir())
	h := put(t, s, content(100_000))
	path := s.path(s.name(h))
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-5] ^= 1
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if b, _, err := s.Piece(h, 0, piece); node.CodeOf(err) != node.Damaged || b != nil {
		t.Errorf("%d bytes, %v; want damage", len(b), err)
	}
	if _, _, err := s.Piece(Hash{1}, 0, piece); node.CodeOf(err) != node.NotFound {
		t.Errorf("%v; want that it isn't here", err)
	}
}
