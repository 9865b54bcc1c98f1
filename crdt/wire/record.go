package wire

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"github.com/vungxa/vungxa/crdt"
)

// MaxRecord is the size of an encoded record in bytes.
const MaxRecord = 1<<20 - 1

// wireRecord is a record as a store keeps it. Cells are sorted by field, those of
// one set by element; logs and officers are sorted, each once.
type wireRecord struct {
	_          struct{} `cbor:",toarray"`
	Format     uint
	Scope      string
	Collection string
	Record     cbor.RawMessage
	Logs       []logName
	Officers   []string
	Cells      []wireCell
}

type wireCell struct {
	_       struct{} `cbor:",toarray"`
	Field   uint32
	Elem    []byte // of a set; empty: the cell is an assign's
	Writes  []wireWrite
	Over    []wirePos
	Pending []wireClaim
}

type wireWrite struct {
	_       struct{} `cbor:",toarray"`
	Dot     wireDot
	Stamp   uint64
	Officer uint
	Epoch   uint64
	Cite    wireCite
	Over    []wirePos
	Value   []byte
}

type wireClaim struct {
	_    struct{} `cbor:",toarray"`
	By   wireDot
	Over wirePos
	Seq  uint64 // of the pin; 0: none
	Hash []byte // of the pin; empty: none
	Cite wireCite
}

// recordTables are what the cells of a record name by place.
type recordTables struct {
	scope    crdt.Scope
	logs     logTable
	officers []string
}

// namedCell is a cell with its name.
type namedCell struct {
	field uint32
	elem  string
	crdt.Cell
}

func cellsOf(r *crdt.Record) []namedCell {
	var cells []namedCell
	for field, c := range r.Cells {
		cells = append(cells, namedCell{field, "", c})
	}
	for field, set := range r.Sets {
		for elem, c := range set {
			cells = append(cells, namedCell{field, elem, c})
		}
	}
	slices.SortFunc(cells, func(a, b namedCell) int {
		return cmp.Or(cmp.Compare(a.field, b.field), cmp.Compare(a.elem, b.elem))
	})
	return cells
}

// EncodeRecord gives the bytes of a record: equal states give equal bytes. It
// refuses a record that DecodeRecord wouldn't read again.
func EncodeRecord(r *crdt.Record) ([]byte, error) {
	cells := cellsOf(r)
	t := tablesOf(r, cells)
	ref, err := encodeRef(r.Ref, t.logs)
	if err != nil {
		return nil, err
	}
	w := wireRecord{
		Format: Format, Scope: string(r.Scope), Collection: r.Collection, Record: ref,
		Logs: t.logs, Officers: t.officers, Cells: make([]wireCell, len(cells)),
	}
	for i, c := range cells {
		w.Cells[i] = t.encodeCell(c)
	}
	b, err := marshalItem(w, MaxRecord)
	if err != nil {
		return nil, fmt.Errorf("record %v of %s: %w", r.Ref.ID(), r.Collection, err)
	}
	return b, nil
}

func tablesOf(r *crdt.Record, cells []namedCell) recordTables {
	logs, officers := map[crdt.LogID]bool{}, map[string]bool{}
	if !r.Ref.ByKey() {
		logs[r.Ref.Dot.Log] = true
	}
	over := func(ps []crdt.Pos) {
		for _, p := range ps {
			logs[p.Log] = true
		}
	}
	for _, c := range cells {
		over(c.Over)
		for _, w := range c.Writes {
			logs[w.Dot.Log], officers[w.Officer] = true, true
			over(w.Over)
		}
		for _, p := range c.Pending {
			logs[p.By.Log], logs[p.Over.Log] = true, true
		}
	}
	return recordTables{r.Scope, newLogTable(logs), slices.Sorted(maps.Keys(officers))}
}

func (t recordTables) encodeCell(c namedCell) wireCell {
	w := wireCell{
		Field: c.field, Elem: []byte(c.elem), Over: encodeOver(c.Over, t.logs),
		Writes: make([]wireWrite, len(c.Writes)), Pending: make([]wireClaim, len(c.Pending)),
	}
	for i, x := range c.Writes {
		officer, _ := slices.BinarySearch(t.officers, x.Officer)
		w.Writes[i] = wireWrite{
			Dot: t.dot(x.Dot), Stamp: uint64(x.Stamp), Officer: uint(officer), Epoch: x.Epoch,
			Cite: wireCite{Epoch: x.Cite.Epoch, Index: x.Cite.Index}, Over: encodeOver(x.Over, t.logs), Value: x.Value,
		}
	}
	for i, p := range c.Pending {
		w.Pending[i] = wireClaim{
			By: t.dot(p.By), Over: wirePos{Log: t.logs.place(p.Over.Log), Seq: p.Over.Seq}, Seq: p.Pin.Seq,
			Cite: wireCite{Epoch: p.Cite.Epoch, Index: p.Cite.Index},
		}
		if p.Pin.Hash != (crdt.Hash{}) {
			w.Pending[i].Hash = p.Pin.Hash[:]
		}
	}
	return w
}

func (t recordTables) dot(d crdt.Dot) wireDot {
	return wireDot{Log: t.logs.place(d.Log), Seq: d.Seq, Index: d.Index}
}

// DecodeRecord reads what EncodeRecord writes. It comes from a store and not
// from a stranger, so its form is checked and its canonicity is not.
func DecodeRecord(b []byte) (*crdt.Record, error) {
	var w wireRecord
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("record: %w: %d bytes; at most %d", ErrFormat, len(b), MaxRecord)
	}
	if err := decMode.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("record: %w: %w", ErrFormat, err)
	}
	if err := checkFormat(w.Format); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	t := recordTables{crdt.Scope(w.Scope), w.Logs, w.Officers}
	ref, err := decodeRef(w.Record, t.logs, t.scope)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r := crdt.NewRecord(t.scope, w.Collection, ref)
	for i := range w.Cells {
		wc := &w.Cells[i]
		cell, err := t.decodeCell(wc)
		if err != nil {
			return nil, fmt.Errorf("record: field %d: %w", wc.Field, err)
		}
		if len(wc.Elem) == 0 {
			r.Cells[wc.Field] = cell
			continue
		}
		if r.Sets[wc.Field] == nil {
			r.Sets[wc.Field] = map[string]crdt.Cell{}
		}
		r.Sets[wc.Field][string(wc.Elem)] = cell
	}
	return r, nil
}

func (t recordTables) decodeCell(wc *wireCell) (cell crdt.Cell, err error) {
	if cell.Over, err = decodeOver(wc.Over, t.logs, t.scope); err != nil {
		return cell, err
	}
	for i := range wc.Writes {
		w, err := t.decodeWrite(&wc.Writes[i])
		if err != nil {
			return cell, err
		}
		cell.Writes = append(cell.Writes, w)
	}
	for i := range wc.Pending {
		p, err := t.decodeClaim(&wc.Pending[i])
		if err != nil {
			return cell, err
		}
		cell.Pending = append(cell.Pending, p)
	}
	return cell, nil
}

func (t recordTables) decodeWrite(x *wireWrite) (w crdt.Write, err error) {
	if x.Officer >= uint(len(t.officers)) {
		return w, fmt.Errorf("%w: officer %d of a table of %d", ErrFormat, x.Officer, len(t.officers))
	}
	w = crdt.Write{
		Stamp: crdt.Stamp(x.Stamp), Officer: t.officers[x.Officer], Epoch: x.Epoch,
		Cite: crdt.Cite{Epoch: x.Cite.Epoch, Index: x.Cite.Index}, Value: x.Value,
	}
	if w.Dot, err = t.dotOf(x.Dot); err != nil {
		return w, err
	}
	w.Over, err = decodeOver(x.Over, t.logs, t.scope)
	return w, err
}

func (t recordTables) decodeClaim(x *wireClaim) (c crdt.Claim, err error) {
	c = crdt.Claim{Pin: crdt.Head{Seq: x.Seq}, Cite: crdt.Cite{Epoch: x.Cite.Epoch, Index: x.Cite.Index}}
	switch len(x.Hash) {
	case 0:
	case len(c.Pin.Hash):
		c.Pin.Hash = crdt.Hash(x.Hash)
	default:
		return c, fmt.Errorf("%w: a pin's hash of %d bytes", ErrFormat, len(x.Hash))
	}
	if c.By, err = t.dotOf(x.By); err != nil {
		return c, err
	}
	c.Over.Seq = x.Over.Seq
	c.Over.Log, err = t.logs.log(x.Over.Log, t.scope)
	return c, err
}

func (t recordTables) dotOf(w wireDot) (crdt.Dot, error) {
	log, err := t.logs.log(w.Log, t.scope)
	return crdt.Dot{Log: log, Seq: w.Seq, Index: w.Index}, err
}
