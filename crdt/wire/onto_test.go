package wire

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/vungxa/vungxa/crdt"
)

// cut divides a segment after its n-th entry, which is given with the salt of its
// span.
func cut(t testing.TB, s *Segment, n int) (before *crdt.Entry, rest *Segment, salt Salt) {
	t.Helper()
	before = decoded(t, s)[n-1]
	return before, &Segment{Log: s.Log, First: s.First + uint64(n), Entries: s.Entries[n:], Seal: s.Seal, Salts: s.Salts}, s.Salts[Span(before.Seq)]
}

// A reader who holds what comes before is sent no names, hash or salt of it. One
// who holds no salt is told, one who holds another branch finds that the seal is
// of another entry.
func TestSegmentOntoWhatIsHeld(t *testing.T) {
	before, s, salt := cut(t, newOffice(1, everyWord).saves(t, 4, progress), 1)
	b, err := EncodeSegmentOnto(s, before)
	if err != nil {
		t.Fatal(err)
	}
	if alone := must(EncodeSegment(s)); len(b) > len(alone)-90 {
		t.Errorf("%d B, alone %d; want 90 fewer", len(b), len(alone))
	}
	got, err := DecodeSegmentOnto(b, before, &salt)
	if err != nil || !equalEntries(got.Entries, s.Entries) || got.Seal != s.Seal || got.Salts[Span(s.First)] != salt {
		t.Errorf("read by who holds it: %v, %+v", err, got)
	}
	if _, err := DecodeSegmentOnto(b, before, nil); !errors.Is(err, ErrNotHeld) {
		t.Errorf("read without the salt: %v; want ErrNotHeld", err)
	}
	branch := *before
	branch.Officer = "someone else"
	other, err := DecodeSegmentOnto(b, &branch, &salt)
	if err != nil || other.Seal.Hash == s.Seal.Hash {
		t.Errorf("read on another branch: %v, and the seal is of the same entry", err)
	}
	if _, err := EncodeSegmentOnto(s, decoded(t, s)[0]); !errors.Is(err, ErrNotOnto) {
		t.Errorf("after an entry that isn't the one before: %v; want ErrNotOnto", err)
	}
}

// Any segment goes through, cut anywhere, with salts and without.
func TestSegmentOntoIsLossless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySegment(t)
		if len(s.Entries) < 2 {
			t.Skip("nothing to cut")
		}
		entries, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, len(s.Entries)-1).Draw(t, "before")
		before := entries[n-1]
		rest := &Segment{Log: s.Log, First: s.First + uint64(n), Entries: s.Entries[n:], Seal: s.Seal, Salts: s.Salts}
		b, err := EncodeSegmentOnto(rest, before)
		if err != nil {
			t.Fatal(err)
		}
		var salt *Salt
		if held, ok := s.Salts[Span(before.Seq)]; ok {
			salt = &held
		}
		got, err := DecodeSegmentOnto(b, before, salt)
		if err != nil || !equalEntries(got.Entries, rest.Entries) || got.Seal != rest.Seal {
			t.Fatalf("cut after %d of %d: %v", n, len(s.Entries), err)
		}
	})
}

// The bytes of Saves sent to a peer who holds the log up to them. They are exact.
func TestSegmentOntoBytes(t *testing.T) {
	for _, c := range []struct {
		work   string
		fields []uint32
		saves  int
		want   int
	}{
		{"any field", anyField, 1, 88},
		{"any field", anyField, 300, 2100},
		{"progress", progress, 1, 86},
		{"progress", progress, 300, 1788},
	} {
		sum := 0
		for seed := range uint64(5) {
			before, rest, _ := cut(t, newOffice(seed+1, everyWord).saves(t, c.saves+1, c.fields), 1)
			sum += len(must(EncodeSegmentOnto(rest, before)))
		}
		if sum/5 != c.want {
			t.Errorf("%d Saves, %s: %d B; want %d", c.saves, c.work, sum/5, c.want)
		}
	}
}
