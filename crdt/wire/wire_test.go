package wire

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

func testLog(device byte) crdt.LogID {
	return crdt.LogID{
		Device: crdt.Device{device}, Incarnation: crdt.Incarnation{device, 1}, Scope: "c/03646", Class: crdt.ClassRecords,
	}
}

// trusting holds whatever is named.
func trusting(crdt.LogID, uint64) (crdt.Hash, bool) { return crdt.Hash{}, true }

func testEntry() *crdt.Entry {
	a, b := testLog(1), testLog(2)
	return &crdt.Entry{
		Log: a, Seq: 1, Stamp: crdt.StampAt(1790000000000), Officer: "một cửa", Pack: crdt.Pack{ID: "commune", Version: 1},
		Key: EntryKey(Salt(noise("salt")), 1),
		Ops: []crdt.Op{
			{Collection: "dossiers", Record: crdt.Ref{Dot: crdt.Dot{Log: a, Seq: 1}}, Value: []byte{0xf5}},
			{Collection: "dossiers", Record: crdt.Ref{Dot: crdt.Dot{Log: a, Seq: 1}}, Field: 7, Value: []byte{0x61, 'x'}, Over: []crdt.Pos{{Log: b, Seq: 9}}},
			{Collection: "petitions", Record: crdt.RefByKey("c/03646", "petitions", "24445308"), Field: 1, Value: []byte{0xf6}},
		},
	}
}

func TestEntryRoundTrip(t *testing.T) {
	e := testEntry()
	b, err := EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeEntry(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EncodeEntry(got)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("decoded and encoded again: %v\n% x\n% x", err, again, b)
	}
}

// Every byte of an entry counts: no change of one bit may decode to an entry
// with the same hash, and an empty list has one form.
func TestEntryHasOneEncoding(t *testing.T) {
	b, err := EncodeEntry(testEntry())
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for bit := range 8 {
			c := bytes.Clone(b)
			c[i] ^= 1 << bit
			e, err := DecodeEntry(c)
			if err != nil {
				continue
			}
			again, err := EncodeEntry(e)
			if err != nil || !bytes.Equal(again, c) {
				t.Fatalf("byte %d bit %d: accepted, but encodes differently (%v)", i, bit, err)
			}
		}
	}
	bare := testEntry()
	bare.Ops = bare.Ops[2:]
	b, err = EncodeEntry(bare)
	if err != nil {
		t.Fatal(err)
	}
	null := bytes.Replace(b, []byte{0x80, 0x81}, []byte{0xf6, 0x81}, 1)
	if bytes.Equal(null, b) {
		t.Fatal("the entry has no empty table to replace")
	}
	if _, err := DecodeEntry(null); !errors.Is(err, ErrFormat) {
		t.Errorf("null for an empty list: %v; want ErrFormat", err)
	}
}

func sealKey() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("test seal key"))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testSegment(t testing.TB) (*Segment, ed25519.PublicKey) {
	key := sealKey()
	s := &Segment{Log: testLog(1), First: 1, Salts: map[uint64]Salt{0: Salt(noise("salt"))}}
	var head crdt.Head
	for seq := uint64(1); seq <= 3; seq++ {
		e := testEntry()
		e.Seq, e.Prev, e.Key = seq, head.Hash, EntryKey(s.Salts[0], seq)
		e.Stamp += crdt.Stamp(seq * 77_777 << 16)
		if seq > 1 {
			e.Ops = e.Ops[1:]
		}
		head = s.append(t, e)
	}
	seal, err := Sign(s.Log, head, func(m []byte) []byte { return ed25519.Sign(key, m) })
	if err != nil {
		t.Fatal(err)
	}
	s.Seal = seal
	return s, key.Public().(ed25519.PublicKey)
}

func TestSegmentRoundTrip(t *testing.T) {
	s, key := testSegment(t)
	b, err := EncodeSegment(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeSegment(b)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := got.Open()
	if err != nil || len(entries) != 3 {
		t.Fatalf("open: %d entries, %v", len(entries), err)
	}
	if !got.Seal.Verify(got.Log, key) {
		t.Error("the seal doesn't verify")
	}
	if got.Seal.Verify(testLog(2), key) {
		t.Error("the seal verifies for another log")
	}
}

func TestSegmentRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Segment){
		"an entry left out":       func(s *Segment) { s.Entries = append(s.Entries[:1], s.Entries[2:]...) },
		"two entries exchanged":   func(s *Segment) { s.Entries[1], s.Entries[2] = s.Entries[2], s.Entries[1] },
		"an entry of another log": func(s *Segment) { s.Log = testLog(2) },
		"a seal of another entry": func(s *Segment) { s.Seal.Hash[0] ^= 1 },
		"a seal of a later seq":   func(s *Segment) { s.Seal.Seq++ },
		"a wrong first seq":       func(s *Segment) { s.First = 2; s.Seal.Seq = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := testSegment(t)
			spoil(s)
			b, err := EncodeSegment(s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeSegment(b)
			if err == nil {
				_, err = got.Open()
			}
			if !errors.Is(err, ErrFormat) {
				t.Errorf("got %v; want ErrFormat", err)
			}
		})
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	bomb := zstdEncoder.EncodeAll(make([]byte, 64<<20), nil)
	if _, err := decompress(bomb); !errors.Is(err, ErrFormat) {
		t.Errorf("64 MiB of zeros in %d bytes: %v; want ErrFormat", len(bomb), err)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	e := testEntry()
	r := crdt.NewRecord(e.Log.Scope, "dossiers", e.Ops[0].Record)
	r.Apply(e, 0, trusting)
	r.Apply(e, 1, trusting)
	b, err := EncodeRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EncodeRecord(got)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("decoded and encoded again: %v", err)
	}
}

// Entries that don't compress at all, as many as a segment may hold, can be sent:
// so whatever was taken in can be sent on, whoever compressed it.
func TestTheFullestSegmentCanBeSent(t *testing.T) {
	log := testLog(1)
	s := &Segment{Log: log, First: 1}
	noise := sha256.New()
	for size := 0; size < MaxSegmentBody-1100; {
		value := []byte{0x59, 0x03, 0xe0} // a byte string of 992
		for range 31 {
			noise.Write([]byte{1})
			value = noise.Sum(value)
		}
		e := testEntry()
		e.Seq, e.Ops = uint64(len(s.Entries)+1), e.Ops[2:]
		e.Ops[0].Value = value
		if e.Seq > 1 {
			e.Prev = ChainHash(s.Entries[len(s.Entries)-1])
		}
		b, err := EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		s.Entries, size = append(s.Entries, b), size+len(b)+3
	}
	s.Seal = Seal{Seq: s.Last(), Hash: ChainHash(s.Entries[len(s.Entries)-1])}
	b, err := EncodeSegment(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeSegment(b); err != nil {
		t.Fatal(err)
	}
}

func TestCheckValueRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"a long form of 1": {0x18, 0x01}, "two items": {0x01, 0x01}, "unsorted keys": {0xa2, 0x02, 0x01, 0x01, 0x01},
	} {
		if err := CheckValue(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v; want ErrFormat", name, err)
		}
	}
}

func TestSegmentOfTooManyEntriesIsRefused(t *testing.T) {
	s, _ := testSegment(t)
	s.Entries = make([][]byte, MaxSegmentEntries+1)
	s.Seal.Seq = s.Last()
	body, err := Marshal(s.Entries)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := Marshal(s.Seal)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Marshal(wireSegment{
		Format: Format, Scope: string(s.Log.Scope), Log: nameOf(s.Log), First: s.First, Seal: seal,
		Body: zstdEncoder.EncodeAll(body, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeSegment(b); !errors.Is(err, ErrFormat) {
		t.Errorf("%d entries: %v; want ErrFormat", len(s.Entries), err)
	}
}
