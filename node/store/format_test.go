package store

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node/store/keyring"
)

// TestFormatVectors computes the vectors that FORMAT.md gives to a second
// implementation.
func TestFormatVectors(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	want := vectors(t)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if line := fmt.Sprintf("%s = %x\n", name, want[name]); !strings.Contains(string(text), line) {
			t.Errorf("FORMAT.md lacks the line\n%s", line)
		}
	}
}

func vectors(t *testing.T) map[string][]byte {
	t.Helper()
	var keys keyring.Keys
	for i := range keys.StoreID {
		keys.StoreID[i] = byte(i)
	}
	for i := range keys.Data {
		keys.Data[i] = byte(0x20 + i)
	}
	out := map[string][]byte{}
	for _, purpose := range []string{purposeBadger, purposeValue, purposeFile, purposeHeads, purposeTables, purposeRoot} {
		key := keys.Derive(purpose)
		out["key "+purpose] = key[:]
	}
	id := crdt.LogID{Device: crdt.Device{0xaa}, Incarnation: crdt.Incarnation{0xbb}, Scope: "c/03646", Class: 2}
	out["store key of the log's name"] = logNameKey(id)
	out["store key of log 7"] = numberKey(keyLog, 7)
	out["store key of entry 258 of log 7"] = seqKey(keyEntry, 7, 258)
	out["store key of seal 258 of log 7"] = seqKey(keySeal, 7, 258)
	out["store key of the item clock"] = metaKey("clock")
	out["store key of the local item heard/x"] = localKey("heard", "x")
	macs := valueMACs{newDigester(keys, purposeValue), keys.StoreID, Format}
	out["item clock with the value 0102 as stored"] = macs.seal(metaKey("clock"), []byte{1, 2})
	out["index row xA, empty, as stored"] = macs.seal([]byte("xA"), nil)
	out["digest of a file of the bytes abc"] = newDigester(keys, purposeFile).sum([]byte("abc"))
	out["CURRENT"] = currentBytes(t, keys)
	out["heads file up to its second frame"] = headsBytes(t, keys, id)
	return out
}

func currentBytes(t *testing.T, keys keyring.Keys) []byte {
	t.Helper()
	dir := t.TempDir()
	o := testOptions()
	o.Keys = keys
	if err := writeCurrent(dir, "g1", o); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, fileCurrent))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// headsBytes is a heads file of one frame, made as restart makes it but for the
// nonce.
func headsBytes(t *testing.T, keys keyring.Keys, id crdt.LogID) []byte {
	t.Helper()
	nonce, err := hex.DecodeString("0011223344556677")
	if err != nil {
		t.Fatal(err)
	}
	h := &headsFile{keys: keys, mac: newDigester(keys, purposeHeads), nonce: nonce, at: headsAlign}
	b, err := h.encode(frame{
		Commit: 300, Tables: 5, Manifest: prefix{Len: 90, Sum: bytes.Repeat([]byte{0xcc}, macSize)},
		WALs: []walMark{{ID: 4, Len: 4096, Sum: bytes.Repeat([]byte{0xdd}, macSize)}},
		Logs: []logMark{markLog(id, crdt.Head{Seq: 258, Hash: crdt.Hash{0xee}})},
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(h.header(), b...)
}
