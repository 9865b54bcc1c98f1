package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/proto"

	"github.com/vungxa/vungxa/node"
)

// scene is a fault that one rule answers, where the rules of base are off because
// they would answer it too.
type scene struct {
	name       string
	rule, base Rules
	make       func(t *testing.T, dir string) *model
}

var scenes = []scene{
	{"attack 1: a value flipped in a table, and its CRC mended", RuleMAC, RuleTables, flipInTable},
	{"a value flipped in a write-ahead log, and its CRC mended", RuleMAC, RuleWAL, flipValueInWAL},
	{"attack 2: a value moved to another key", RuleMAC, 0, moveValue},
	{"a key flipped in a write-ahead log, and its CRC mended", RuleWAL, 0, flipKeyInWAL},
	{"a write-ahead log deleted", RuleHeads, RuleWAL, deleteWALs},
	{"a table of another time", RuleTables, RuleHeads, otherTable},
	{"a table struck from the MANIFEST", RuleManifest, RuleHeads, strikeTable},
}

// TestRules plants each fault with its rule on, when it has to be told of, and
// with the rule off, when it has to pass in silence: else the rule isn't what
// answers it.
func TestRules(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			for _, off := range []Rules{0, s.rule} {
				dir := t.TempDir()
				m := s.make(t, dir)
				o := testOptions()
				o.Without = s.base | off
				told, wrong := m.verdict(dir, o)
				if off == 0 && len(told) == 0 {
					t.Errorf("not told of; %d answers are wrong", len(wrong))
				}
				if off != 0 && (len(told) > 0 || len(wrong) == 0) {
					t.Errorf("without its rule it is told of, or does nothing: told %v, %d wrong", told, len(wrong))
				}
			}
		})
	}
}

// cutStore makes a store whose power was cut: some tables, and a write-ahead log.
func cutStore(t *testing.T, dir string) *model {
	t.Helper()
	work := filepath.Join(t.TempDir(), "work")
	m := fillStore(t, work)
	crashed(t, m, work, dir)
	return m
}

func flipInTable(t *testing.T, dir string) *model {
	m := fillStore(t, dir)
	for _, want := range m.items {
		if editTables(t, filepath.Join(dir, firstGen), []byte(want), anyBit(len(want))) {
			return m
		}
	}
	t.Fatal("no value could be flipped")
	return nil
}

// editTables flips a bit of a known value within a table, so that Badger finds
// nothing wrong. An attacker needs no key for that: the stream cipher lets through
// what is XORed to it, the checksums are known functions of the contents.
//
// bits gives the bits to try of a block in which the value lies at a byte.
func editTables(t *testing.T, gen string, value []byte, bits func(at int) []int) bool {
	t.Helper()
	registry, err := badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: gen, ReadOnly: true, EncryptionKey: (&Store{opts: testOptions()}).badgerKey()})
	if err != nil {
		t.Fatal(err)
	}
	key, err := registry.DataKey(1)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := readManifest(gen, 0)
	if err != nil {
		t.Fatal(err)
	}
	for id := range m.live {
		name := table.NewFilename(id, gen)
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if editTable(t, file, key.Data, value, bits) {
			if err := os.WriteFile(name, file, 0o600); err != nil {
				t.Fatal(err)
			}
			return true
		}
	}
	return false
}

// anyBit are all bits of a value of a length.
func anyBit(length int) func(at int) []int {
	return func(at int) (bits []int) {
		for bit := range 8 * length {
			bits = append(bits, 8*at+bit)
		}
		return bits
	}
}

func editTable(t *testing.T, file, key, value []byte, bits func(at int) []int) bool {
	t.Helper()
	end := len(file) - 4
	end -= int(binary.BigEndian.Uint32(file[end:])) + 4
	size := int(binary.BigEndian.Uint32(file[end:]))
	index := fb.GetRootAsTableIndex(crypt(t, file[end-size:end], key), 0)
	for i := range index.OffsetsLength() {
		var o fb.BlockOffset
		index.Offsets(&o, i)
		sealed := file[o.Offset() : o.Offset()+o.Len()]
		block, err := snappy.Decode(nil, crypt(t, sealed, key))
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.LastIndex(block, value)
		if at < 0 {
			continue
		}
		for _, bit := range bits(at) {
			packed := s2.EncodeSnappy(nil, flippedBlock(t, block, bit))
			if packed != nil && len(packed) == len(sealed)-16 {
				iv := sealed[len(packed):]
				copy(sealed, crypt(t, append(packed, iv...), key))
				return true
			}
		}
	}
	return false
}

// crypt applies the stream cipher to what lies before its IV.
func crypt(t *testing.T, b, key []byte) []byte {
	t.Helper()
	out, err := y.XORBlockAllocate(b[:len(b)-16], key, b[len(b)-16:])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// flippedBlock is a block with a bit flipped and its checksum made anew.
func flippedBlock(t *testing.T, block []byte, bit int) []byte {
	t.Helper()
	b := bytes.Clone(block)
	b[bit/8] ^= 1 << (bit % 8)
	sumLen := int(binary.BigEndian.Uint32(b[len(b)-4:]))
	body := b[:len(b)-4-sumLen]
	sum, err := proto.Marshal(&pb.Checksum{Algo: pb.Checksum_CRC32C, Sum: uint64(crc32.Checksum(body, castagnoli))})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(body, sum, binary.BigEndian.AppendUint32(nil, uint32(len(sum))))
}

// editWAL lets edit change the ciphertext of an entry of a write-ahead log whose
// plain key is so long, and mends its CRC.
func editWAL(t *testing.T, dir string, keyLen uint64, edit func(key, value []byte)) {
	t.Helper()
	gen := filepath.Join(dir, firstGen)
	ids, err := walIDs(gen)
	if err != nil || len(ids) == 0 {
		t.Fatal(ids, err)
	}
	name := walName(gen, ids[len(ids)-1])
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	found := 0 // the last such entry: nothing written later hides it
	for at := walHeader; ; {
		size, _, ok := walEntry(b[at:])
		if !ok || size == 0 {
			break
		}
		if n, _ := binary.Uvarint(b[at+2:]); n == keyLen {
			found = at
		}
		at += size
	}
	if found == 0 {
		t.Fatal("no such entry in the write-ahead log")
	}
	size, _, _ := walEntry(b[found:])
	e := b[found : found+size-4]
	value, n := binary.Uvarint(e[3:])
	body := e[3+n+1:] // meta, user meta, a key length of one byte, the value's, expiry of one byte
	if uint64(len(body)) != keyLen+value {
		t.Fatalf("the entry's body is %d bytes; want %d", len(body), keyLen+value)
	}
	edit(body[:keyLen], body[keyLen:])
	binary.BigEndian.PutUint32(b[found+size-4:], crc32.Checksum(e, castagnoli))
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

const itemKeyLen = uint64(len("mitem 000") + 8)

func flipValueInWAL(t *testing.T, dir string) *model {
	m := cutStore(t, dir)
	editWAL(t, dir, itemKeyLen, func(_, value []byte) { value[3] ^= 1 })
	return m
}

func flipKeyInWAL(t *testing.T, dir string) *model {
	m := cutStore(t, dir)
	editWAL(t, dir, itemKeyLen, func(key, _ []byte) { key[2] ^= 1 }) // "mitem" becomes another name
	return m
}

// moveValue puts one key's stored value under another, as whoever has Badger's key
// but not the store's could.
func moveValue(t *testing.T, dir string) *model {
	m := fillStore(t, dir)
	s := open(t, dir)
	names := slices.Sorted(maps.Keys(m.items))
	err := s.db.Update(func(txn *badger.Txn) error {
		item, err := txn.Get(metaKey(names[0]))
		if err != nil {
			return err
		}
		stored, err := item.ValueCopy(nil)
		if err != nil {
			return err
		}
		return txn.Set(metaKey(names[1]), stored)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

func deleteWALs(t *testing.T, dir string) *model {
	m := cutStore(t, dir)
	gen := filepath.Join(dir, firstGen)
	ids, err := walIDs(gen)
	for _, id := range ids {
		err = errors.Join(err, os.Remove(walName(gen, id)))
	}
	if err != nil || len(ids) == 0 {
		t.Fatal(ids, err)
	}
	return m
}

// otherTable puts a table in the place of one of the same name, which the store
// would have if it had gone another way. How Badger numbers tables is left to
// chance, so several other ways are tried; after these a table of any name will do.
func otherTable(t *testing.T, dir string) *model {
	m := fillStore(t, dir)
	base, there := filepath.Join(t.TempDir(), "base"), filepath.Join(t.TempDir(), "there")
	copyDir(t, dir, base)
	goOn := func(dir string, m *model, way uint64) {
		s := open(t, dir)
		if err := errors.Join(m.work(s, rand.New(rand.NewPCG(*seed, way)), 30), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	before := model{items: maps.Clone(m.items), logs: maps.Clone(m.logs)}
	goOn(dir, m, 0)
	const ways, exact = 20, 12
	for way := range uint64(ways) {
		copyDir(t, base, there)
		goOn(there, &model{items: maps.Clone(before.items), logs: maps.Clone(before.logs)}, way+1)
		if swapTables(t, filepath.Join(dir, firstGen), filepath.Join(there, firstGen), way >= exact) {
			return m
		}
	}
	t.Fatal("no way leads to a table of the same level")
	return nil
}

// swapTables puts other tables in the place of those of the same level, and of the same
// name unless any will do. It says whether there were any.
func swapTables(t *testing.T, gen, other string, anyName bool) (swapped bool) {
	t.Helper()
	ours, _, err := readManifest(gen, 0)
	theirs, _, errTheirs := readManifest(other, 0)
	if err = errors.Join(err, errTheirs); err != nil {
		t.Fatal(err)
	}
	for id, mine := range ours.live {
		from := id
		if anyName {
			from = slices.Max(slices.Collect(maps.Keys(theirs.live)))
		}
		if their, ok := theirs.live[from]; !ok || their != mine {
			continue
		}
		a, errA := os.ReadFile(table.NewFilename(id, gen))
		b, errB := os.ReadFile(table.NewFilename(from, other))
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(a, b) {
			continue
		}
		if err := os.WriteFile(table.NewFilename(id, gen), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if swapped = true; anyName {
			break
		}
	}
	return swapped
}

// strikeTable adds a change to the MANIFEST that deletes a table, not the newest.
func strikeTable(t *testing.T, dir string) *model {
	m := fillStore(t, dir)
	gen := filepath.Join(dir, firstGen)
	live, b, err := readManifest(gen, 0)
	if err != nil || len(live.live) < 2 {
		t.Fatalf("%d tables: %v", len(live.live), err)
	}
	body, err := proto.Marshal(&pb.ManifestChangeSet{Changes: []*pb.ManifestChange{{
		Id: slices.Min(slices.Collect(maps.Keys(live.live))), Op: pb.ManifestChange_DELETE,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	if err := os.WriteFile(manifestName(gen), append(b, body...), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// Damage in the value log, in which nothing is, does nothing.
func TestTheValueLogIsThrownAway(t *testing.T) {
	for _, without := range []Rules{0, RuleValueLog} {
		dir := t.TempDir()
		m := fillStore(t, dir)
		logs, err := filepath.Glob(filepath.Join(dir, firstGen, "*.vlog"))
		if err != nil || len(logs) == 0 {
			t.Fatal(logs, err)
		}
		for _, name := range logs {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			b[0] ^= 1 // the number of the key
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o := testOptions()
		o.Without = without
		if told, wrong := m.verdict(dir, o); len(wrong) > 0 || len(told) > 0 != (without != 0) {
			t.Errorf("without %b: told %v, wrong %v", without, told, wrong)
		}
	}
}

// Attack 4: nothing of what is stored can be read on the disk.
func TestNothingIsReadableOnTheDisk(t *testing.T) {
	for _, without := range []Rules{0, RuleEncryption} {
		dir := t.TempDir()
		o := testOptions()
		o.Without = without
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx *Tx) error { return tx.PutLocal("kind", "Nguyễn Thị Mẫu", []byte("079123456789")) })
		found := grep(t, dir, "Nguyễn Thị Mẫu", "079123456789") // in the write-ahead log
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		found = append(found, grep(t, dir, "Nguyễn Thị Mẫu", "079123456789")...)
		if len(found) > 0 != (without != 0) {
			t.Errorf("without %b: readable in %v", without, found)
		}
	}
}

func grep(t *testing.T, dir string, words ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		for _, w := range words {
			if strings.Contains(string(b), w) {
				found = append(found, fmt.Sprintf("%s: %q", filepath.Base(p), w))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Badger panics in a goroutine of its own over a table that was cut short. The
// program that opens the store lives on, and has a sentence.
func TestAPanicOfBadgersBecomesASentence(t *testing.T) {
	if dir := os.Getenv("VUNGXA_OPEN"); dir != "" {
		o := testOptions()
		if os.Getenv("VUNGXA_WITHOUT_PROBE") != "" {
			o.Without = RuleProbe
		}
		s, err := Open(dir, o)
		if node.CodeOf(err) != node.Damaged {
			t.Fatalf("opened %v: %v; want a sentence", s != nil, err)
		}
		return
	}
	dir := t.TempDir()
	fillStore(t, dir)
	tables, err := filepath.Glob(filepath.Join(dir, firstGen, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	if err := os.Truncate(tables[0], 100); err != nil {
		t.Fatal(err)
	}
	for _, without := range []string{"", "1"} {
		victim := filepath.Join(t.TempDir(), "victim")
		copyDir(t, dir, victim)
		again := exec.Command(os.Args[0], "-test.run", "^TestAPanicOfBadgersBecomesASentence$")
		again.Env = append(os.Environ(), "VUNGXA_OPEN="+victim, "VUNGXA_WITHOUT_PROBE="+without)
		out, err := again.CombinedOutput()
		if (err == nil) != (without == "") {
			t.Errorf("without the probe %q: %v\n%.400s", without, err, out)
		}
	}
}
