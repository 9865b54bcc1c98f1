package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/store/keyring"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func update(t *testing.T, s *Store, f func(*Tx) error) {
	t.Helper()
	if err := s.Update(f); err != nil {
		t.Fatal(err)
	}
}

func TestSecondCopyIsTold(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(dir, testOptions())
	if node.CodeOf(err) != node.Unavailable || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second copy: %v; want a sentence", err)
	}
}

func TestAnotherFormatIsRefused(t *testing.T) {
	for name, make := range map[string]func(dir string) error{
		"0": func(dir string) error { return os.WriteFile(filepath.Join(dir, "MANIFEST"), []byte("Bdgr"), 0o600) },
		"7": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "CURRENT"), []byte("vungxa store\nformat 7\nwhatever\nmac ff\n"), 0o600)
		},
	} {
		dir := t.TempDir()
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, testOptions())
		if node.CodeOf(err) != node.Damaged || !strings.Contains(err.Error(), "format "+name) {
			t.Errorf("format %s: %v; want a sentence", name, err)
		}
	}
}

func TestOtherKeysAreRefused(t *testing.T) {
	dir := t.TempDir()
	fillStore(t, dir)
	for _, keys := range []keyring.Keys{{}, {StoreID: testKeys.StoreID, Data: [32]byte{9}}, {StoreID: [16]byte{9}, Data: testKeys.Data}} {
		o := testOptions()
		o.Keys = keys
		if _, err := Open(dir, o); err == nil {
			t.Error("other keys open the store")
		}
	}
	if s := open(t, dir); len(s.Damage()) > 0 {
		t.Errorf("other keys did damage: %v", s.Damage())
	}
}

// A commit whose frame can't be written is the last, until the store is opened again:
// what is on the disk isn't known.
func TestAFrameThatFailsEndsTheWriting(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	save := func() error { return s.Update(func(tx *Tx) error { return tx.PutMeta("a", []byte{1}) }) }
	s.heads.sync = func(*os.File) error { return errors.New("no fsync") }
	if err := save(); node.CodeOf(err) != node.Unavailable {
		t.Errorf("a save without its frame: %v; want node.Unavailable", err)
	}
	s.heads.sync = (*os.File).Sync
	if err := save(); node.CodeOf(err) != node.Unavailable {
		t.Errorf("the next save: %v; want node.Unavailable", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if err := save(); err != nil || len(s.Damage()) > 0 {
		t.Errorf("after opening it again: %v, damage %v", err, s.Damage())
	}
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	stop := errors.New("stop")
	err := s.Update(func(tx *Tx) error {
		if err := tx.PutMeta("a", []byte{1}); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	update(t, s, func(tx *Tx) error {
		if b, err := tx.Meta("a"); b != nil || err != nil {
			t.Errorf("after a failed update: %v, %v", b, err)
		}
		if err := tx.Put([]byte("big"), make([]byte, MaxValue+1)); !errors.Is(err, ErrTooBig) {
			t.Errorf("a value for the value log: %v; want a refusal", err)
		}
		return nil
	})
}

func TestScanGoesBothWays(t *testing.T) {
	s := open(t, t.TempDir())
	var want []string
	update(t, s, func(tx *Tx) error {
		for i := range 300 {
			k := fmt.Sprintf("k%03d", i)
			want = append(want, k)
			if err := tx.Put([]byte(k), []byte{byte(i)}); err != nil {
				return err
			}
		}
		return errors.Join(tx.Put([]byte("j"), []byte{1}), tx.Put([]byte("l"), []byte{1}))
	})
	walk := func(scan Scan) (got []string) {
		t.Helper()
		err := s.View(func(tx *Tx) error {
			return tx.Scan(scan, func(k, v []byte) (bool, error) {
				got = append(got, string(k))
				return len(got) < 299, nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	prefix := []byte("k")
	if got := walk(Scan{Prefix: prefix}); !slices.Equal(got, want[:299]) {
		t.Errorf("forwards: %d keys from %s", len(got), got[0])
	}
	back := slices.Clone(want)
	slices.Reverse(back)
	if got := walk(Scan{Prefix: prefix, Reverse: true}); !slices.Equal(got, back[:299]) {
		t.Errorf("backwards: %d keys from %s", len(got), got[0])
	}
	if got := walk(Scan{Prefix: prefix, After: []byte("k297")}); !slices.Equal(got, want[298:]) {
		t.Errorf("after k297: %v", got)
	}
	if got := walk(Scan{Prefix: prefix, Reverse: true, After: []byte("k002")}); !slices.Equal(got, back[298:]) {
		t.Errorf("backwards after k002: %v", got)
	}
	if got := walk(Scan{Prefix: prefix, From: []byte("k298")}); !slices.Equal(got, want[298:]) {
		t.Errorf("from k298: %v", got)
	}
}

func TestLogsKeepTheirHeads(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ids := []crdt.LogID{
		{Device: crdt.Device{1}, Scope: "c/1", Class: 2}, {Device: crdt.Device{1}, Scope: "c/1", Class: 3},
		{Device: crdt.Device{1}, Scope: "c/12", Class: 2}, {Device: crdt.Device{2}, Incarnation: crdt.Incarnation{1}, Scope: "c/1", Class: 2},
	}
	for round := range 3 {
		for i, id := range ids {
			update(t, s, func(tx *Tx) error {
				l, err := tx.Log(id)
				if err != nil {
					return err
				}
				if l.Head.Seq != uint64(round) || l.Unsealed != uint64(round) {
					t.Errorf("log %d before entry %d: %+v", i, round+1, l)
				}
				return tx.Append(&l, []byte{byte(i*10 + round)})
			})
		}
	}
	update(t, s, func(tx *Tx) error {
		l, err := tx.Log(ids[1])
		if err != nil {
			return err
		}
		return tx.Seal(&l, wire.Seal{Seq: 2, Hash: wire.ChainHash([]byte{11})})
	})
	err := s.View(func(tx *Tx) error {
		n := 0
		err := tx.Logs(func(l Log) error {
			n++
			i := slices.Index(ids, l.ID)
			b, err := tx.Entry(l, 2)
			if err != nil || !bytes.Equal(b, []byte{byte(i*10 + 1)}) {
				t.Errorf("log %d entry 2: %v, %v", i, b, err)
			}
			if h, err := tx.HashAt(l, 3); err != nil || h != l.Head.Hash || h != wire.ChainHash([]byte{byte(i*10 + 2)}) {
				t.Errorf("log %d head %v: %v", i, h, err)
			}
			if _, err := tx.Entry(l, 4); node.CodeOf(err) != node.Damaged {
				t.Errorf("an entry that isn't there: %v; want damage", err)
			}
			return nil
		})
		if n != len(ids) {
			t.Errorf("%d logs; want %d", n, len(ids))
		}
		l, err2 := tx.Log(ids[1])
		if l.Sealed.Seq != 2 || l.Head.Seq != 3 {
			t.Errorf("sealed %d of %d; want 2 of 3", l.Sealed.Seq, l.Head.Seq)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnOlderSealMovesNothingBack(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, func(tx *Tx) error {
		l := Log{ID: crdt.LogID{Device: crdt.Device{1}, Scope: "c/1", Class: 2}}
		var heads []crdt.Head
		for i := range byte(3) {
			if err := tx.Append(&l, []byte{i}); err != nil {
				return err
			}
			heads = append(heads, l.Head)
		}
		for _, h := range []crdt.Head{heads[2], heads[1]} {
			if err := tx.Seal(&l, wire.Seal{Seq: h.Seq, Hash: h.Hash}); err != nil {
				return err
			}
		}
		if l.Sealed != heads[2] {
			t.Errorf("sealed %d; want 3", l.Sealed.Seq)
		}
		return nil
	})
}
