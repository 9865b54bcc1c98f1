package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
)

func testRecord(i int) *crdt.Record {
	return crdt.NewRecord("c/1", "cases", crdt.RefByKey("c/1", "cases", fmt.Sprint(i)))
}

// Two generations lie beside each other; one key says which is read, for the whole
// of a transaction, and what was begun before it was written reads the old one.
// What is being built isn't taken away, even if it is asked for.
func TestABuildIsNotDropped(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, func(tx *Tx) error {
		if err := tx.PutGenerations(Generations{Records: 1, Last: 2, Build: Build{Number: 2, Records: true}}); err != nil {
			return err
		}
		next := tx.In(2, 2)
		return errors.Join(next.PutRecord(testRecord(2)), next.PutRow(Row("cases", []byte("s"), make([]byte, 16))))
	})
	update(t, s, func(tx *Tx) error {
		_, err := tx.DropSome(2, 100)
		return err
	})
	view(t, s, func(tx *Tx) error {
		r, err := tx.In(2, 2).Record(testRecord(2).Collection, testRecord(2).Ref.ID())
		if err == nil && r == nil {
			t.Error("its record is gone")
		}
		return err
	})
}

func TestOneKeySwitchesGenerations(t *testing.T) {
	s := open(t, t.TempDir())
	row := Row("cases", []byte("s"), make([]byte, 16))
	update(t, s, func(tx *Tx) error {
		if err := tx.PutRecord(testRecord(1)); err != nil {
			return err
		}
		next := tx.In(2, 2)
		if err := next.PutRecord(testRecord(2)); err != nil {
			return err
		}
		if err := next.PutRow(row); err != nil {
			return err
		}
		return next.PutIndexItem("made", []byte("x"))
	})
	reads := func(tx *Tx, want int) {
		t.Helper()
		records, err := tx.RecordsAfter(nil, 10)
		if err != nil || len(records) != 1 || records[0].Ref != testRecord(want).Ref {
			t.Errorf("%d records, %v; want record %d alone", len(records), err, want)
		}
		if has, err := tx.HasRow(row); err != nil || has != (want == 2) {
			t.Errorf("the row is there: %v, %v", has, err)
		}
		if item, err := tx.IndexItem("made"); err != nil || (string(item) == "x") != (want == 2) {
			t.Errorf("the item is %q, %v", item, err)
		}
	}
	err := s.View(func(before *Tx) error {
		update(t, s, func(tx *Tx) error {
			if err := tx.PutGenerations(Generations{Records: 2, Index: 2, Last: 2, Drop: []uint32{1}}); err != nil {
				return err
			}
			reads(tx, 2)
			return nil
		})
		reads(before, 1)
		for done := false; !done; { // the old one goes; who reads it goes on
			update(t, s, func(tx *Tx) (err error) {
				done, err = tx.DropSome(1, 1)
				return err
			})
		}
		reads(before, 1)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *Tx) error {
		reads(tx, 2)
		if _, err := tx.DropSome(2, 100); err != nil { // it is read: nothing of it goes
			return err
		}
		reads(tx, 2)
		held, err := tx.Held()
		if !slices.Equal(held, []uint32{2}) {
			t.Errorf("held: %v; want 2 alone", held)
		}
		return err
	})
}

// A long scan takes a new iterator now and then; what it gives is one state all the
// same, in both directions, whatever is written meanwhile.
func TestLongScanIsOneState(t *testing.T) {
	s := open(t, t.TempDir())
	const n = 3*scanPiece + 17
	key := func(i int) []byte { return fmt.Appendf(nil, "k%06d", i) }
	for at := 0; at < n; at += 1000 {
		update(t, s, func(tx *Tx) error {
			for i := at; i < min(at+1000, n); i++ {
				if err := tx.Put(key(i), []byte{1}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, reverse := range []bool{false, true} {
		seen := 0
		err := s.View(func(tx *Tx) error {
			return tx.Scan(Scan{Prefix: []byte("k"), Reverse: reverse, Values: true}, func(k, v []byte) (bool, error) {
				at := seen
				if reverse {
					at = n - 1 - seen
				}
				if !bytes.Equal(k, key(at)) || v[0] != 1 {
					t.Fatalf("the %d. is %s = %v; want %s", seen, k, v, key(at))
				}
				if seen++; seen%500 == 0 {
					update(t, s, func(tx *Tx) error { // before and behind where the scan is
						for _, k := range [][]byte{key(0), key(n / 2), key(n - 1), []byte("k0000005"), []byte("k9")} {
							if err := tx.Put(k, []byte{2}); err != nil {
								return err
							}
						}
						return nil
					})
				}
				return true, nil
			})
		})
		if err != nil || seen != n {
			t.Errorf("reverse %v: %d keys, %v; want %d", reverse, seen, err, n)
		}
		update(t, s, func(tx *Tx) error {
			for _, k := range [][]byte{key(0), key(n / 2), key(n - 1)} {
				if err := tx.Put(k, []byte{1}); err != nil {
					return err
				}
			}
			if err := tx.Delete([]byte("k0000005")); err != nil {
				return err
			}
			return tx.Delete([]byte("k9"))
		})
	}
}
