package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/crdt/wire"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// verify is the kinds of what Verify finds, sorted, each once.
func (p *peer) verify() (kinds []FindingKind) {
	p.t.Helper()
	var all []Finding
	if err := p.Verify(context.Background(), func(f Finding) { all = append(all, f) }); err != nil {
		p.t.Fatal(err)
	}
	for _, f := range all {
		if f.Place == "" || f.Do.VI == "" || f.Do.EN == "" {
			p.t.Errorf("a finding without a place or advice: %+v", f)
		}
		kinds = append(kinds, f.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// sound fails the test where the store contradicts itself.
func (p *peer) sound() {
	p.t.Helper()
	err := p.Verify(context.Background(), func(f Finding) { p.t.Errorf("found %s: %s", f.Kind, f.Place) })
	if err != nil {
		p.t.Fatal(err)
	}
}

func recordKey(id crdt.RecordID) []byte {
	return slices.Concat([]byte{'r', 0, 0, 0, 1}, store.Place("cases", id))
}

func seqKey(kind byte, number uint32, seq uint64) []byte {
	k := binary.BigEndian.AppendUint32([]byte{kind}, number)
	return binary.BigEndian.AppendUint64(k, seq)
}

// Every kind of fault that the store can hold is found, and called what it is; a
// store in good order gives no finding.
func TestVerifyFindsEveryFault(t *testing.T) {
	type at struct {
		p      *peer
		tx     *store.Tx
		id     crdt.RecordID // of the first record
		log    store.Log     // of class records, 6 entries, sealed at 3 and 6
		before []byte        // the first record as it was before its edit
		row    []byte        // an index row of it
	}
	faults := []struct {
		name string
		want []FindingKind
		do   func(at) error
	}{
		{"nothing", nil, func(at) error { return nil }},
		{"a record is gone", []FindingKind{CountWrong, RecordMissing, RowExtra}, func(a at) error { return a.tx.Delete(recordKey(a.id)) }},
		{"a record is stale", []FindingKind{RecordWrong, RowExtra, RowMissing}, func(a at) error { return a.tx.Put(recordKey(a.id), a.before) }},
		{"a record of nobody", []FindingKind{CountWrong, RecordExtra, RowMissing}, func(a at) error {
			r, err := a.tx.Record("cases", a.id)
			if err != nil {
				return err
			}
			r.Ref = crdt.RefByKey(testScope, "cases", "nobody")
			return a.tx.PutRecord(r)
		}},
		{"a row too many", []FindingKind{RowExtra}, func(a at) error { return a.tx.PutRow(store.Row("cases", []byte{indexFlag}, a.id[:])) }},
		{"a row is gone", []FindingKind{RowMissing}, func(a at) error { return a.tx.DeleteRow(a.row) }},
		{"a row stands elsewhere", []FindingKind{RowExtra, RowMissing}, func(a at) error {
			if err := a.tx.DeleteRow(a.row); err != nil {
				return err
			}
			return a.tx.PutRow(slices.Concat(a.row[:len(a.row)-len(a.id)-1], []byte("x"), a.id[:]))
		}},
		{"a wrong count", []FindingKind{CountWrong}, func(a at) error { return addCounts(a.tx, map[string]int{"cases": 1}) }},
		{"an entry is gone", []FindingKind{EntryMissing, HistoryExtra}, func(a at) error {
			return a.tx.Delete(seqKey('e', a.log.Number(), 3))
		}},
		{"the last entries are gone", []FindingKind{EntryMissing, HistoryExtra}, func(a at) error {
			return firstError(
				func() error { return a.tx.Delete(seqKey('e', a.log.Number(), 6)) },
				func() error { return a.tx.Delete(seqKey('e', a.log.Number(), 5)) })
		}},
		{"another entry stands there", []FindingKind{EntryWrong, RecordWrong}, func(a at) error {
			raw, err := a.tx.Entry(a.log, 2)
			if err != nil {
				return err
			}
			e, err := wire.DecodeEntry(raw)
			if err != nil {
				return err
			}
			e.Officer = "b"
			if raw, err = wire.EncodeEntry(e); err != nil {
				return err
			}
			return a.tx.PutEntry(a.log, 2, store.Stored{Raw: raw, Hash: wire.ChainHash(raw)})
		}},
		{"an entry's hash is another's", []FindingKind{EntryWrong}, func(a at) error {
			e, err := a.tx.Stored(a.log, 2)
			if err != nil {
				return err
			}
			e.Hash[0] ^= 1
			return a.tx.PutEntry(a.log, 2, e)
		}},
		{"an entry's cite is another's", []FindingKind{EntryWrong, RecordWrong}, func(a at) error {
			e, err := a.tx.Stored(a.log, 2)
			if err != nil {
				return err
			}
			e.Cite.Index = 7
			return a.tx.PutEntry(a.log, 2, e)
		}},
		{"an entry past the head", []FindingKind{EntryExtra}, func(a at) error {
			e, err := a.tx.Stored(a.log, 6)
			if err != nil {
				return err
			}
			return a.tx.PutEntry(a.log, 7, e)
		}},
		{"an entry of no log", []FindingKind{EntryExtra}, func(a at) error { return a.tx.Put(seqKey('e', 99, 1), []byte{1}) }},
		{"a seal is gone", []FindingKind{SealMissing}, func(a at) error { return a.tx.Delete(seqKey('s', a.log.Number(), 6)) }},
		{"a seal over something else", []FindingKind{SealWrong}, func(a at) error {
			seal, err := wire.Sign(a.log.ID, crdt.Head{Seq: 3, Hash: crdt.Hash{1}}, a.p.cfg.Sign)
			if err != nil {
				return err
			}
			return a.tx.Seal(&a.log, seal)
		}},
		{"a seal that nobody signed", []FindingKind{SealWrong}, func(a at) error {
			return a.tx.Seal(&a.log, wire.Seal{Seq: 6, Hash: a.log.Head.Hash})
		}},
		{"a history row is gone", []FindingKind{HistoryMissing, RecordWrong}, func(a at) error {
			return a.tx.DeleteHistory(a.id, a.log, 4)
		}},
		{"a history row too many", []FindingKind{HistoryExtra}, func(a at) error {
			return a.tx.PutHistory(crdt.RecordID{9}, a.log, 2)
		}},
		{"a generation that was left over", []FindingKind{LeftOver}, func(a at) error {
			return a.tx.In(77, 77).PutRow(a.row)
		}},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
			p.cfg.CheckSeal = func(l crdt.LogID, s wire.Seal) error {
				if !s.Verify(l, identity.Public(p.key)) {
					return fmt.Errorf("not signed by %v", l.Device)
				}
				return nil
			}
			id := p.create(map[string]any{"subject": "Khai sinh", "received": testNow.UnixMilli()})
			p.create(map[string]any{"subject": "Kết hôn"})
			p.create(map[string]any{"subject": "Khai tử"})
			if _, err := p.Heads(testScope); err != nil { // seals
				t.Fatal(err)
			}
			a := at{p: p, id: id}
			err := p.Store.View(func(tx *store.Tx) (err error) {
				a.before, err = tx.Get(recordKey(id))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			p.edit(id, "", map[string]any{"subject": "Đăng ký khai sinh"})
			p.create(map[string]any{"subject": "Chứng thực"})
			p.create(map[string]any{"subject": "Đất đai"})
			if _, err := p.Heads(testScope); err != nil {
				t.Fatal(err)
			}
			p.sound()
			p.Engine.write.Lock()
			err = p.Store.Update(func(tx *store.Tx) (err error) {
				a.tx = tx
				if a.log, err = tx.Log(p.ownLog(crdt.ClassRecords)); err != nil {
					return err
				}
				r, err := tx.Record("cases", id)
				if err != nil {
					return err
				}
				read, err := p.read(tx, r)
				if err != nil {
					return err
				}
				for _, row := range read.keys {
					if kindOf(row) == indexToken && bytes.Contains(row, []byte("dang")) {
						a.row = row
					}
				}
				return fault.do(a)
			})
			p.Engine.write.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			if got := p.verify(); !slices.Equal(got, fault.want) {
				t.Errorf("found %v; want %v", got, fault.want)
			}
			if !slices.ContainsFunc(fault.want, ofLogs) {
				p.recomputed()
			}
		})
	}
}

// ofLogs says whether a finding is about what records are computed from.
func ofLogs(k FindingKind) bool {
	return slices.Contains([]FindingKind{EntryMissing, EntryWrong, EntryExtra, SealMissing, SealWrong, HistoryMissing, HistoryExtra, LeftOver}, k)
}

// recomputed fails the test where records and rows that are made anew aren't sound.
func (p *peer) recomputed() {
	p.t.Helper()
	if err := p.Recompute(context.Background()); err != nil {
		p.t.Fatal(err)
	}
	p.settle()
	p.sound()
	p.onlyRead()
}
