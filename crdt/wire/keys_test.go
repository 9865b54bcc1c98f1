package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

// fullEntry has one of everything: a set, a key, a seen existence, a pin, a cite.
func fullEntry() *crdt.Entry {
	a, b := testLog(1), testLog(2)
	person := crdt.Ref{Dot: crdt.Dot{Log: b, Seq: 4}}
	return &crdt.Entry{
		Log: a, Seq: 7, Prev: crdt.Hash{7}, Stamp: crdt.StampAt(1_790_000_000_123) + 2, Officer: "hoa.nguyenthi",
		Pack: crdt.Pack{ID: "commune", Version: 3}, Epoch: 2, Cites: crdt.Cite{Epoch: 1, Index: 912},
		Pins: []crdt.Pin{{Log: b, Seq: 9, Hash: crdt.Hash{9}}},
		Key:  EntryKey(Salt(noise("salt")), 7),
		Ops: []crdt.Op{
			{Collection: "people", Record: person, Field: 6},
			{Collection: "people", Record: person, Field: crdt.SameAs, Kind: crdt.Set, Elem: append([]byte{0x50}, noise("twin")...), Value: []byte{crdt.True}},
			{
				Collection: "petitions", Record: crdt.RefByKey("c/03646", "petitions", "24445308"), Field: 1, Value: []byte{0xf6},
				Made: crdt.Pos{Log: b, Seq: 9}, Over: []crdt.Pos{{Log: a, Seq: 3}, {Log: b, Seq: 8}},
			},
		},
	}
}

func encoded(t testing.TB, e *crdt.Entry) []byte {
	t.Helper()
	for i := range e.Ops {
		if op := &e.Ops[i]; len(op.Value) == 0 && op.Erased == (crdt.Hash{}) {
			value, err := Marshal("Giàng A Páo")
			if err != nil {
				t.Fatal(err)
			}
			op.Value = value
		}
	}
	b, err := EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An erasure takes the payload, what opens its commitment and what could derive
// that. The chain hash stays, whatever was erased, and in whatever order.
func TestErasureLeavesTheChainHash(t *testing.T) {
	whole := encoded(t, fullEntry())
	e, err := DecodeEntry(whole)
	if err != nil {
		t.Fatal(err)
	}
	hash := ChainHash(whole)
	for _, order := range [][]int{{0}, {1}, {2}, {0, 1}, {1, 0}, {2, 0, 1}, {0, 0}} {
		b := whole
		for _, i := range order {
			if b, err = EraseOp(b, i); err != nil {
				t.Fatal(err)
			}
			key := opKey(e, i)
			for what, secret := range map[string][]byte{"payload": payload(&e.Ops[i]), "entry's key": e.Key[:], "operation's key": key[:]} {
				if len(secret) > 1 && bytes.Contains(b, secret) {
					t.Errorf("%v erased: the %s is still there", order, what)
				}
			}
		}
		if got := ChainHash(b); got != hash {
			t.Errorf("%v erased: chain hash %v; want %v", order, got, hash)
		}
		got, err := DecodeEntry(b)
		if err != nil {
			t.Fatalf("%v erased: %v", order, err)
		}
		for i := range got.Ops {
			if Commitment(got, i) != Commitment(e, i) {
				t.Errorf("%v erased: operation %d commits to something else", order, i)
			}
		}
	}
	if _, err := EraseOp(whole, 3); !errors.Is(err, ErrFormat) {
		t.Errorf("erasing operation 3 of 3: %v; want ErrFormat", err)
	}
	if _, err := EraseOp(whole[1:], 0); !errors.Is(err, ErrFormat) {
		t.Errorf("erasing in what is no entry: %v; want ErrFormat", err)
	}
}

// What is hashed holds every value: another value under the same key is another
// hash, and so is another key.
func TestChainHashCoversValuesAndKeys(t *testing.T) {
	hash := ChainHash(encoded(t, fullEntry()))
	for name, change := range map[string]func(*crdt.Entry){
		"a value":    func(e *crdt.Entry) { e.Ops[2].Value = []byte{0x01} },
		"an element": func(e *crdt.Entry) { e.Ops[1].Elem[3] ^= 1 },
		"presence":   func(e *crdt.Entry) { e.Ops[1].Value = []byte{crdt.False} },
		"the key":    func(e *crdt.Entry) { e.Key[0] ^= 1 },
		"a pin":      func(e *crdt.Entry) { e.Pins[0].Hash[1] ^= 1 },
		"the cite":   func(e *crdt.Entry) { e.Cites.Index++ },
		"the made":   func(e *crdt.Entry) { e.Ops[2].Made.Seq--; e.Pins = nil },
		"the kind": func(e *crdt.Entry) {
			e.Ops[0].Kind, e.Ops[0].Elem, e.Ops[0].Value = crdt.Set, []byte{1}, []byte{crdt.True}
		},
		"the scope": func(e *crdt.Entry) {
			e.Log.Scope, e.Pins = "c/03647", nil
			e.Ops = e.Ops[:1]
			e.Ops[0].Record.Dot.Log.Scope = "c/03647"
		},
	} {
		e := fullEntry()
		change(e)
		if ChainHash(encoded(t, e)) == hash {
			t.Errorf("%s doesn't change the hash", name)
		}
	}
}

func TestEntryWithoutAKeyIsRefused(t *testing.T) {
	e := fullEntry()
	e.Ops[0].Value = []byte{0xf6}
	e.Key = crdt.Key{}
	if _, err := EncodeEntry(e); !errors.Is(err, crdt.ErrEntry) {
		t.Errorf("encoded: %v; want ErrEntry", err)
	}
	whole := encoded(t, fullEntry())
	key := fullEntry().Key
	if _, err := DecodeEntry(bytes.Replace(whole, key[:], make([]byte, 16), 1)); !errors.Is(err, crdt.ErrEntry) {
		t.Errorf("decoded: %v; want ErrEntry", err)
	}
}

// A salt opens its span, and no other.
func TestKeysOfSpans(t *testing.T) {
	for seq, span := range map[uint64]uint64{1: 0, 256: 0, 257: 1, 512: 1, 513: 2} {
		if got := Span(seq); got != span {
			t.Errorf("seq %d is of span %d; want %d", seq, got, span)
		}
	}
	salt := Salt(noise("salt"))
	seen := map[crdt.Key]bool{}
	for seq := uint64(1); seq <= 3; seq++ {
		key := EntryKey(salt, seq)
		for i := range 3 {
			seen[OpKey(key, i)] = true
		}
		seen[key] = true
	}
	if len(seen) != 12 {
		t.Errorf("%d keys; want 12 different ones", len(seen))
	}
}

// No two operations of an entry share a key: an erased one's would be a neighbour's.
func TestEveryOperationHasAKeyOfItsOwn(t *testing.T) {
	entry := EntryKey(Salt(noise("salt")), 7)
	first := map[crdt.Key]int{}
	for i := range crdt.MaxOps {
		key := OpKey(entry, i)
		if j, taken := first[key]; taken {
			t.Fatalf("operations %d and %d have one key", j, i)
		}
		first[key] = i
	}
}

func TestNoHashOfOtherBytesIsAnEntrys(t *testing.T) {
	whole := encoded(t, fullEntry())
	if ChainHash(whole) == tagged("vungxa entry 1", whole) || ChainHash([]byte{1}) != tagged("vungxa bytes 1", []byte{1}) {
		t.Error("an entry hashes as its carried form, or noise as an entry")
	}
}

// The largest entry of the smallest operations can be erased whole, and sent.
func TestTheFullestEntryCanBeErased(t *testing.T) {
	e := fullEntry()
	e.Pins, e.Ops = nil, e.Ops[2:]
	e.Ops[0].Over, e.Ops[0].Made, e.Ops[0].Field = nil, crdt.Pos{}, 100_000
	for len(e.Ops) < crdt.MaxOps {
		op := e.Ops[0]
		op.Field += uint32(len(e.Ops))
		e.Ops = append(e.Ops, op)
	}
	whole := encoded(t, e)
	once, err := EncodeEntry(Erase(e, 0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.Ops {
		e.Ops[i].Erased, e.Ops[i].Value = Commitment(e, i), nil
	}
	e.Key = crdt.Key{}
	all, err := EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	if ChainHash(whole) != ChainHash(once) || ChainHash(whole) != ChainHash(all) {
		t.Error("another chain hash")
	}
	s := &Segment{Log: e.Log, First: e.Seq, Entries: [][]byte{all}, Seal: Seal{Seq: e.Seq, Hash: ChainHash(all)}}
	b, err := EncodeSegment(s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeSegment(b); err != nil || !equalEntries(got.Entries, s.Entries) {
		t.Errorf("sent: %v", err)
	}
}

// A salt opens what was erased of its span: whoever knows what it may have been
// tries. So neither goes with the other.
func TestNoSaltGoesWithWhatWasErased(t *testing.T) {
	salt := Salt(noise("salt"))
	e := fullEntry()
	e.Seq, e.Prev, e.Ops, e.Pins, e.Key = 1, crdt.Hash{}, e.Ops[:1], nil, EntryKey(salt, 1)
	raw := must(EncodeEntry(Erase(must(DecodeEntry(encoded(t, e))), 0)))
	s := &Segment{
		Log: e.Log, First: 1, Entries: [][]byte{raw}, Seal: Seal{Seq: 1, Hash: ChainHash(raw)}, Salts: map[uint64]Salt{0: salt},
	}
	got, err := DecodeSegment(must(EncodeSegment(s)))
	if err != nil || len(got.Salts) > 0 {
		t.Errorf("sent with %d salts: %v", len(got.Salts), err)
	}
	if _, err := got.Open(); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(); !errors.Is(err, ErrFormat) {
		t.Errorf("opened beside its salt: %v; want ErrFormat", err)
	}
}
