package hub

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vungxa/vungxa/crdt/wire"
)

// testSealer really seals, with a key made of one byte.
type testSealer byte

func (s testSealer) Seal(about string, plain []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(bytes.Repeat([]byte{byte(s)}, chacha20poly1305.KeySize))
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, []byte(about)), nil
}

func (s testSealer) Open(about string, sealed []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(bytes.Repeat([]byte{byte(s)}, chacha20poly1305.KeySize))
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, io.ErrUnexpectedEOF
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(about))
}

func sealedCommand(segments []*wire.Segment) []byte {
	return must(testSealer(1).Seal(aboutCommand, must(encodeCommands(segments))[0]))
}

// readable counts the files below a directory that hold a text.
func readable(t *testing.T, dir string, text []byte) (found int) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(b, text) {
			found++
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatal(files, err)
	}
	return found
}

// Whoever takes raft's disk away reads nothing that was proposed: not in its log,
// not in a snapshot. The store beside it, which this test leaves readable, shows
// that the search would find it.
func TestNothingIsReadableInRaftsDirectory(t *testing.T) {
	dir := t.TempDir()
	n, log := start(t, dir, nil), newTestLog(1)
	log.size = 200
	segment := log.next(t)
	n.propose(segment)
	if err := n.Snapshot(); err != nil {
		t.Fatal(err)
	}
	n.propose(log.take(t, 3)...)
	n.close()
	whole := must(wire.EncodeSegment(segment))
	known := whole[len(whole)/2:][:24]
	if readable(t, filepath.Join(dir, "store"), known) == 0 {
		t.Fatal("the text isn't found where it lies open")
	}
	if n := readable(t, filepath.Join(dir, "raft"), known); n > 0 {
		t.Errorf("%d files of raft's show what was saved", n)
	}
}

// Another key's commands end the hub, and don't pass for noise to be skipped.
func TestAnotherKey(t *testing.T) {
	dir := t.TempDir()
	n, log := start(t, dir, nil), newTestLog(1)
	n.propose(log.take(t, 2)...)
	n.close()
	if err := os.Remove(filepath.Join(dir, "store")); err != nil { // so that raft's log is read
		t.Fatal(err)
	}
	n = must(open(t, dir, func(c *Config) { c.Sealer = testSealer(2) }))
	if err := n.Ready(t.Context()); !errors.Is(err, ErrCommand) {
		t.Errorf("got %v; want ErrCommand", err)
	}
	n.holds(0)
}

// The items of a snapshot keep their places.
func TestSnapshotItemsKeepTheirPlaces(t *testing.T) {
	segments := append(newTestLog(1).take(t, 2), newTestLog(2).take(t, 2)...)
	f := testFSM(t, segments)
	s := must(f.Snapshot()).(*snapshot)
	var right bytes.Buffer
	if err := s.write(&right); err != nil {
		t.Fatal(err)
	}
	items := itemsOf(t, right.Bytes()) // header, four segments, the end's 0, the end
	var older bytes.Buffer
	before := testFSM(t, segments[:3])
	if err := must(before.Snapshot()).(*snapshot).write(&older); err != nil {
		t.Fatal(err)
	}
	old := itemsOf(t, older.Bytes())
	for name, list := range map[string][][]byte{
		"swapped":           {items[0], items[2], items[1], items[3], items[4], items[5], items[6]},
		"one left out":      {items[0], items[1], items[2], items[3], items[5], items[6]},
		"one from another":  {items[0], items[1], old[2], items[3], items[4], items[5], items[6]},
		"another's end":     {items[0], items[1], items[2], items[3], old[4], old[5]},
		"another's header":  {old[0], items[1], items[2], items[3], items[4], items[5], items[6]},
		"a segment as head": {items[1], items[1], items[2], items[3], items[4], items[5], items[6]},
	} {
		if err := testFSM(t, nil).Restore(io.NopCloser(bytes.NewReader(bytes.Join(list, nil)))); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v; want ErrSnapshot", name, err)
		}
	}
	if err := testFSM(t, nil).Restore(io.NopCloser(bytes.NewReader(bytes.Join(items, nil)))); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// itemsOf cuts a snapshot into items with their lengths.
func itemsOf(t *testing.T, b []byte) (items [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := 4 + int(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))
		items, b = append(items, b[:n]), b[n:]
	}
	return items
}

// Sealed anew, raft's directory goes on where it was, under the new key alone.
func TestReseal(t *testing.T) {
	for name, change := range map[string]func(*Config){"log": nil, "snapshot and log": short} {
		t.Run(name, func(t *testing.T) {
			dir, log := t.TempDir(), newTestLog(1)
			n := start(t, dir, func(c *Config) {
				c.Epoch = 7
				if change != nil {
					change(c)
				}
			})
			n.propose(log.take(t, 5)...)
			if change != nil {
				if err := n.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
			last := n.propose(log.take(t, 2)...)
			n.close()
			old, fresh := filepath.Join(dir, "raft"), filepath.Join(dir, "fresh")
			if err := Reseal(old, fresh, testSealer(1), testSealer(2), slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.RemoveAll(old), os.Rename(fresh, old), os.Remove(filepath.Join(dir, "store"))); err != nil {
				t.Fatal(err)
			}
			n = start(t, dir, func(c *Config) { c.Sealer = testSealer(2) })
			n.holds(7)
			if n.Index() != last || n.Epoch() != 7 {
				t.Errorf("index %d, epoch %d; want %d and 7", n.Index(), n.Epoch(), last)
			}
			if next := n.propose(log.next(t)); next <= last {
				t.Errorf("the next command has index %d after %d", next, last)
			}
		})
	}
	if err := Reseal(filepath.Join(t.TempDir(), "none"), "x", testSealer(1), testSealer(2), nil); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}
