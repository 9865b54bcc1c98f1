package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
)

// Badger answers much damage with a panic, often in a goroutine of its own, which
// no one can recover from. So a store that looks suspect is opened by a copy of the
// program first. It gets the key through a pipe, never by an argument or the
// environment, and the store is opened here only if the copy came through. The pipe
// stays open until then: where it ends, whoever asked is gone, and the copy must not
// keep the store from who comes next.

// probeAsked is set in the environment of the copy.
const probeAsked = "VUNGXA_STORE_PROBE"

// hooked says that this program calls Probe, so that a copy of it would not do what
// the program does otherwise.
var hooked bool

// Probe is called first by every program that opens stores, also by tests' TestMain.
// In a copy that is asked to try a store it does that, and says with which code to
// exit.
func Probe() (code int, asked bool) {
	hooked = true
	if os.Getenv(probeAsked) == "" {
		return 0, false
	}
	err := tryFor(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// tryFor tries the store for who asks, and gives up where that ends.
func tryFor(asker io.Reader) error {
	b, err := readOrder(asker)
	if err != nil {
		return err
	}
	tried, gone := make(chan error, 1), make(chan struct{})
	go func() { tried <- try(b) }()
	go func() {
		_, _ = io.Copy(io.Discard, asker) // nothing more is said
		close(gone)
	}()
	select {
	case err := <-tried:
		return err
	case <-gone:
		return errors.New("whoever asked for the store to be tried is gone")
	}
}

// order is what the copy is told, on its standard input, after its length (four
// bytes, big endian).
type order struct {
	_         struct{} `cbor:",toarray"`
	Directory string   // Badger's
	Key       []byte   // Badger's; empty: none
	ReadOnly  bool     // no compaction
	Without   Rules
}

func readOrder(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, min(binary.BigEndian.Uint32(size[:]), 1<<16))
	_, err := io.ReadFull(r, b)
	return b, err
}

// try opens Badger and touches everything in it.
func try(b []byte) error {
	var o order
	if err := wire.Unmarshal(b, 1<<16, &o); err != nil {
		return err
	}
	opts := badgerOptions(o.Directory, o.Key, Options{Without: o.Without})
	if o.ReadOnly {
		opts = opts.WithNumCompactors(0)
	}
	db, err := openAnyway(opts)
	if err != nil {
		return err
	}
	return errors.Join(touch(db), db.Close())
}

// touch reads all keys and values.
func touch(db *badger.DB) error {
	return db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if err := it.Item().Value(func([]byte) error { return nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

// probe has a copy of the program try the store.
func (s *Store) probe() error {
	if !hooked {
		return nil // a copy would do something else; Open recovers what it can
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	in, err := wire.Marshal(order{Directory: s.gen, Key: s.badgerKey(), ReadOnly: s.distrusted() || s.space.resting, Without: s.opts.Without})
	if err != nil {
		return err
	}
	copy := exec.Command(program)
	copy.Env = append(os.Environ(), probeAsked+"=1", "GOTRACEBACK=none")
	out, err := runAsking(copy, in)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e := node.Errorf(node.Damaged,
			"Kho dữ liệu %s hỏng đến mức không mở được. Hãy chạy `vungxa repair`, hoặc khôi phục từ bản sao lưu vào thư mục mới (`vungxa restore`).",
			"the store %s is too damaged to be opened; run `vungxa repair`, or restore a backup to a new directory (`vungxa restore`)", s.dir)
		e.Err = errors.New(firstLine(out)) // for the log: a person can't do anything with it
		return e
	}
	return err
}

// runAsking runs a copy of the program with its order, and gives what it said.
func runAsking(copy *exec.Cmd, order []byte) ([]byte, error) {
	var said bytes.Buffer
	copy.Stdout, copy.Stderr = &said, &said
	asking, err := copy.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := copy.Start(); err != nil {
		return nil, err
	}
	// What it says of an order that it didn't read to the end is more to the point.
	_, _ = asking.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(order))), order...))
	err = copy.Wait() // which closes the pipe
	return said.Bytes(), err
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}
