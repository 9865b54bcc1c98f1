package daemon_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"crypto/rand"

	"filippo.io/age"
	"github.com/dgraph-io/badger/v4"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/attach"
	"github.com/vungxa/vungxa/node/daemon"
	"github.com/vungxa/vungxa/node/demo"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// point has the laptop send a petition that points to attachments, by fields that no
// pack knows.
func point(t *testing.T, root string, box *daemon.Daemon, files ...attach.Hash) crdt.RecordID {
	t.Helper()
	laptop := office(t, filepath.Join(root, "laptop"))
	keys := laptop.DeviceKeys()
	closed(t, laptop)
	device, err := daemon.ReadDevice(filepath.Join(root, "laptop"))
	if err != nil {
		t.Fatal(err)
	}
	return pointAs(t, device, keys, box, files...)
}

// pointAs has a node take in what a device with these keys has written.
func pointAs(t *testing.T, device crdt.Device, keys daemon.Keys, box *daemon.Daemon, files ...attach.Hash) crdt.RecordID {
	t.Helper()
	log := crdt.LogID{Device: device, Incarnation: crdt.Incarnation{7}, Scope: demo.Scope(), Class: crdt.ClassRecords}
	ref := crdt.Ref{Dot: crdt.Dot{Log: log, Seq: 1}}
	ops := []crdt.Op{{Collection: "petitions", Record: ref, Field: crdt.FieldExistence, Value: []byte{0xf5}}}
	for i, h := range files {
		ops = append(ops, crdt.Op{Collection: "petitions", Record: ref, Field: uint32(7000 + i), Value: attach.Reference(h)})
	}
	raw, err := wire.EncodeEntry(&crdt.Entry{
		Log: log, Seq: 1, Stamp: crdt.Stamp(1_790_000_000_000 << 16), Officer: "lan",
		Pack: crdt.Pack{ID: "commune", Version: 1}, Key: crdt.Key{1}, Ops: ops,
	})
	if err != nil {
		t.Fatal(err)
	}
	seal, err := wire.Sign(log, crdt.Head{Seq: 1, Hash: wire.ChainHash(raw)}, func(m []byte) []byte { return ed25519.Sign(keys.Seal, m) })
	if err == nil {
		err = box.Engine().Ingest(t.Context(), []*wire.Segment{{Log: log, First: 1, Entries: [][]byte{raw}, Seal: seal}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return ref.ID()
}

func putFile(t *testing.T, d *daemon.Daemon, content string) attach.Hash {
	t.Helper()
	h, _, err := d.Attachments().Put(t.Context(), bytes.NewReader([]byte(content)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Verify reads every attachment and names what is wrong; a backup is made of the
// others, and a repair takes what is wrong from an earlier one.
func TestAttachmentsAreVerifiedAndRepaired(t *testing.T) {
	root, to := provision(t), filepath.Join(t.TempDir(), "backups")
	dir := filepath.Join(root, "box")
	d := office(t, dir)
	flipped, gone, sound := putFile(t, d, "hỏng"), putFile(t, d, "mất"), putFile(t, d, "còn")
	point(t, root, d, flipped, gone, sound)
	backUp(t, d, to)
	wantSound(t, d)
	name := func(h attach.Hash) string {
		file := d.Attachments().FileOf(h)
		return "attachments/" + file[:2] + "/" + file
	}
	if err := errors.Join(flip(dir, filepath.Base(name(flipped)), 0.9), os.Remove(filepath.Join(dir, name(gone))),
		os.WriteFile(filepath.Join(dir, "attachments", "Thumbs.db"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	foreign := "attachments foreign attachments/Thumbs.db"
	wantFindings(t, d, "attachments damaged "+name(flipped), "attachments missing "+name(gone), foreign)
	if r := backUp(t, d, filepath.Join(t.TempDir(), "another")); len(r.LeftOut) != 1 || r.LeftOut[0].Place != name(flipped) {
		t.Errorf("a backup with the damage: %+v; want it named", r)
	}
	closed(t, d)
	for from, want := range map[string][2]int{"": {0, 2}, to: {2, 0}} {
		copied := filepath.Join(t.TempDir(), "box")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		done, err := daemon.Repair(t.Context(), copied, daemon.RepairOrder{From: from}, restOptions())
		if err != nil || done.Attached != want[0] || len(done.AttachedLost) != want[1] {
			t.Errorf("from %q: %+v, %v; want %v", from, done, err, want)
		}
		if from != "" {
			r := office(t, copied)
			wantFindings(t, r, foreign)
			wantAttached(t, copied, map[attach.Hash][]byte{flipped: []byte("hỏng"), gone: []byte("mất"), sound: []byte("còn")})
		}
	}
}

// What nothing points to goes behind the reading of the store, but not in the run in
// which it was put: the form may still be open.
func TestAttachmentsAreCollected(t *testing.T) {
	root := provision(t)
	dir := filepath.Join(root, "box")
	d := office(t, dir)
	kept, loose := putFile(t, d, "có hồ sơ trỏ tới"), putFile(t, d, "không ai trỏ tới")
	point(t, root, d, kept)
	for run, want := range []int{2, 1} {
		d.Collect(t.Context())
		n := 0
		err := d.Attachments().Each(t.Context(), func(attach.Hash) error { n++; return nil }, func(f attach.Finding) { t.Errorf("%+v", f) })
		if err != nil || n != want {
			t.Errorf("run %d: %d attachments, %v; want %d", run, n, err, want)
		}
		closed(t, d)
		d = office(t, dir)
	}
	if err := d.Attachments().Pin(kept); err != nil {
		t.Error(err)
	}
	if d.Attachments().Pin(loose) == nil {
		t.Error("what nobody points to is there")
	}
}

// found are the places below a node's directory where a text is, in the clear or under
// the data key: every version that Badger has of every item, and every attachment.
func found(t *testing.T, dir, text string) (places []string) {
	t.Helper()
	ring, err := keyring.Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := ring.Keys().Derive("badger 1")
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(text)) {
			places = append(places, name)
		}
		if e.Name() == badger.ManifestFilename && versionsHold(t, filepath.Dir(name), key[:], text) {
			places = append(places, filepath.Base(filepath.Dir(filepath.Dir(name))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := attachmentsOf(t, dir)
	err = s.Each(t.Context(), func(h attach.Hash) error {
		f, err := s.Open(h)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(f)
		if bytes.Contains(b, []byte(text)) {
			places = append(places, "attachments")
		}
		return errors.Join(err, f.Close())
	}, func(f attach.Finding) { t.Errorf("%+v", f) })
	if err != nil {
		t.Fatal(err)
	}
	return places
}

func versionsHold(t *testing.T, gen string, key []byte, text string) (holds bool) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "g")
	if err := os.CopyFS(copied, os.DirFS(gen)); err != nil {
		t.Fatal(err)
	}
	db, err := badger.Open(badger.DefaultOptions(copied).WithLogger(nil).WithEncryptionKey(key).WithIndexCacheSize(1 << 20))
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{AllVersions: true})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			holds = holds || bytes.Contains(b, []byte(text)) || bytes.Contains(it.Item().Key(), []byte(text))
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return holds
}

// An order reaches all that the data key opens: older versions in the store's files,
// stores that were put aside, damaged files, attachments; and what a backup from before
// it brings.
func TestAnErasureIsObeyedEverywhere(t *testing.T) {
	const text = "Điều phải xóa"
	root, to, key := provision(t), filepath.Join(t.TempDir(), "backups"), recoveryKey(t)
	dir := filepath.Join(root, "box")
	d := office(t, dir)
	id := saveText(t, d, text)
	pointing := point(t, root, d, putFile(t, d, text+" (bản chụp)"))
	backUp(t, d, to, key.Recipient().String())
	closed(t, d)
	if _, err := daemon.Repair(t.Context(), dir, daemon.RepairOrder{}, restOptions()); err != nil { // puts store.was-1 aside
		t.Fatal(err)
	}
	lost := filepath.Join(dir, "store", "lost")
	if err := errors.Join(os.CopyFS(filepath.Join(dir, "store.was-2"), os.DirFS(filepath.Join(dir, "store"))), os.MkdirAll(lost, 0o700),
		os.CopyFS(filepath.Join(lost, "g1"), os.DirFS(filepath.Join(dir, "store", "g1")))); err != nil {
		t.Fatal(err)
	}
	d = office(t, dir)
	save(t, d, 0, 3)
	if at := found(t, dir, text); len(at) != 5 {
		t.Fatalf("before the order it is in %v; want the store, the two aside, lost and the attachment", at)
	}
	eraseText(t, d, id) // what it names points to no attachment
	if at := found(t, dir, text); !slices.Equal(at, []string{"attachments"}) {
		t.Errorf("once the text is erased it is in %v; want the other petition's attachment alone", at)
	}
	order, err := d.Engine().ErasureOf(t.Context(), "13/QĐ", "petitions", pointing)
	if err == nil {
		err = d.Engine().Erase(order)
	}
	if err != nil {
		t.Fatal(err)
	}
	if at := found(t, dir, text); len(at) > 0 {
		t.Errorf("it is still in %v", at)
	}
	wantSound(t, d)
	backUp(t, d, to)
	closed(t, d)
	if at := found(t, dir, text); len(at) > 0 {
		t.Errorf("at rest it is in %v", at)
	}

	fresh := filepath.Join(t.TempDir(), "new")
	_, err = daemon.Restore(t.Context(), fresh, daemon.RestoreOrder{From: to, Number: 1, Who: []age.Identity{key}, Secret: keyring.BesideSecret()}, restOptions())
	if err != nil {
		t.Fatal(err)
	}
	if at := found(t, fresh, text); len(at) != 2 {
		t.Fatalf("restored, before anything is opened, it is in %v; want the store and the attachment", at)
	}
	r := office(t, fresh)
	if at := found(t, fresh, text); len(at) > 0 {
		t.Errorf("the backup from before the order brought it back to %v", at)
	}
	wantNotShown(t, r, text)
	wantSound(t, r)
}
