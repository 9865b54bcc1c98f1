package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

// A Save that doesn't get on its way stays what it is: an entry can't be taken out of
// its log. What a person can do is to write the same, mended or not, once more; it then
// stands in another entry, of a log that is taken. So what is listed here is a function
// of what stands in the records, and leaves the list by itself: when the province has
// it, or when a later Save has replaced it.

// Stuck is a log that a peer doesn't take.
type Stuck struct {
	Log  crdt.LogID
	UpTo uint64 // what it takes of it
}

// Refused is what stands in a record and isn't taken by a peer, or is hidden by the
// province's word.
type Refused struct {
	InboxItem
	ID    string     // what Dismiss takes
	Title string     // of the record as it is shown; empty if it isn't
	Log   crdt.LogID // the one that isn't taken
	Why   crdt.Why   // what hides it; Visible: a peer doesn't take it
	Gone  bool       // the record isn't shown here
	Wrote []Said     // by field
}

// localRefused is the kind of the items that name what a person has taken off the list.
const localRefused = "refused"

// Refused is a part of what peers don't take, from cursor on, and the cursor of what
// follows; empty at the end. It reads the entries that are stuck, and their records.
func (e *Engine) Refused(_ context.Context, stuck []Stuck, cursor string, limit int) (items []Refused, next string, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		return e.eachRefused(tx, stuck, cursor, func(r Refused, at string) (bool, error) {
			if len(items) == limit {
				return false, nil
			}
			items, next = append(items, r), at
			return true, nil
		})
	})
	if len(items) < limit {
		next = ""
	}
	return items, next, err
}

// eachRefused calls f with what is stuck behind a place, and its own, until f says false.
func (e *Engine) eachRefused(tx *store.Tx, stuck []Stuck, after string, f func(r Refused, at string) (bool, error)) error {
	stuck = slices.Clone(stuck)
	slices.SortFunc(stuck, func(a, b Stuck) int { return strings.Compare(a.Log.String(), b.Log.String()) })
	for _, s := range stuck {
		l, err := e.authorities().forks.place(logsOf(tx), s.Log, s.UpTo+1)
		if err != nil {
			return err
		}
		e.state.Lock()
		from := max(e.received(identity.RoleHub, s.Log), s.UpTo, base(*l)) + 1
		e.state.Unlock()
		for seq := behind(s.Log, from, after); seq <= l.Head.Seq; seq++ {
			more, err := e.refusedAt(tx, stuckLog{*l, s.Log, from}, seq, after, f)
			if err != nil || !more {
				return err
			}
		}
	}
	return nil
}

func refusedPlace(log crdt.LogID, seq uint64) string { return fmt.Sprintf("%v#%016x", log, seq) }

// behind is where to begin reading a log: what lies before the place was told.
func behind(log crdt.LogID, from uint64, after string) uint64 {
	name, rest, ok := strings.Cut(after, "#")
	switch {
	case !ok || name < log.String():
		return from
	case name > log.String() || len(rest) < 16:
		return ^uint64(0)
	}
	seq, err := strconv.ParseUint(rest[:16], 16, 64)
	if err != nil {
		return from
	}
	return max(from, seq)
}

// stuckLog is a log that is stuck from a seq on: where it lies, and what it is called.
type stuckLog struct {
	lies store.Log
	name crdt.LogID
	from uint64
}

func (s stuckLog) wrote(w crdt.Write) bool { return w.Dot.Log == s.name && w.Dot.Seq >= s.from }

// refusedAt tells of the records of which an entry wrote the newest that is stuck.
func (e *Engine) refusedAt(tx *store.Tx, s stuckLog, seq uint64, after string, f func(Refused, string) (bool, error)) (bool, error) {
	entry, err := e.entry(tx, s.lies, seq)
	if errors.Is(err, store.ErrDropped) || node.CodeOf(err) == node.Damaged {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, ref := range recordsIn(entry) {
		at := refusedPlace(s.name, seq) + "#" + ref.id.String()
		if at <= after {
			continue
		}
		r, err := e.refusedRecord(tx, ref, s, seq)
		if err != nil {
			return false, err
		}
		if r == nil {
			continue
		}
		r.Officer, r.Device, r.AtMS, r.Log = entry.Officer, entry.Log.Device, entry.Stamp.Millis(), s.name
		if more, err := f(*r, at); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

type refusedRef struct {
	collection string
	id         crdt.RecordID
}

// recordsIn are the records that an entry writes, sorted.
func recordsIn(entry *crdt.Entry) (all []refusedRef) {
	for i := range entry.Ops {
		all = append(all, refusedRef{entry.Ops[i].Collection, entry.Ops[i].Record.ID()})
	}
	slices.SortFunc(all, func(a, b refusedRef) int { return strings.Compare(a.id.String(), b.id.String()) })
	return slices.Compact(all)
}

// refusedRecord is what stands in a record of a log that is stuck; nil if nothing does,
// its newest isn't of that entry, or a person has seen it.
func (e *Engine) refusedRecord(tx *store.Tx, ref refusedRef, s stuckLog, newest uint64) (*Refused, error) {
	r, err := tx.Record(ref.collection, ref.id)
	c, known := e.cfg.Pack.Collection(ref.collection)
	if err != nil || r == nil || !known {
		if node.CodeOf(err) == node.Damaged {
			err = nil
		}
		return nil, err
	}
	out := &Refused{InboxItem: InboxItem{Collection: ref.collection, Record: ref.id}}
	var dots []crdt.Dot
	last := uint64(0)
	stands(r, func(field uint32, elem string, w crdt.Write) {
		if s.wrote(w) {
			dots, last = append(dots, w.Dot), max(last, w.Dot.Seq)
			out.Wrote = append(out.Wrote, saidOf(c, field, elem, w))
		}
	})
	if len(dots) == 0 || last != newest {
		return nil, nil
	}
	sortSaid(out.Wrote)
	return e.unlessSeen(tx, out, dots)
}

// unlessSeen names an item by what it is about, and leaves it out if a person has taken
// that off the list.
func (e *Engine) unlessSeen(tx *store.Tx, out *Refused, dots []crdt.Dot) (*Refused, error) {
	out.ID = refusedID(out.Collection, out.Record, dots)
	seen, err := tx.Local(localRefused, out.ID)
	if err != nil || len(seen) > 0 {
		return nil, err
	}
	v, err := e.view(tx, out.Collection, out.Record, false)
	switch {
	case node.CodeOf(err) == node.NotFound:
		out.Gone = true
	case err != nil && node.CodeOf(err) != node.Damaged:
		return nil, err
	case err == nil:
		c, _ := e.cfg.Pack.Collection(out.Collection)
		out.Title, _ = v.Values[c.TitleField].(string)
	}
	return out, nil
}

func refusedID(collection string, id crdt.RecordID, dots []crdt.Dot) string {
	slices.SortFunc(dots, crdt.Dot.Compare)
	h := sha256.New()
	for _, d := range dots {
		fmt.Fprintln(h, d.Log, d.Seq, d.Index)
	}
	return fmt.Sprintf("refused.%s.%v.%s", collection, id, base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9]))
}

// stands calls f with the writes that stand in a record, hidden ones too.
func stands(r *crdt.Record, f func(field uint32, elem string, w crdt.Write)) {
	for field, c := range r.Cells {
		for _, w := range c.Writes {
			f(field, "", w)
		}
	}
	for field, set := range r.Sets {
		for elem, c := range set {
			for _, w := range c.Writes {
				f(field, elem, w)
			}
		}
	}
}

func saidOf(c *schema.Collection, field uint32, elem string, w crdt.Write) Said {
	op := crdt.Op{Field: field, Value: w.Value}
	if f, ok := c.FieldByID(field); ok && f.IsSet() {
		op.Kind, op.Elem = crdt.Set, []byte(elem)
	}
	if len(w.Value) == 0 {
		return Said{FieldID: field, Erased: true}
	}
	return said(c, &op)
}

func sortSaid(all []Said) {
	slices.SortFunc(all, func(a, b Said) int {
		if a.FieldID != b.FieldID {
			return int(a.FieldID) - int(b.FieldID)
		}
		return strings.Compare(fmt.Sprint(a.Elem), fmt.Sprint(b.Elem))
	})
}

// Hidden is a part of the records in which something stands that the province's word
// hides: of a device, an officer or a grant that was cut, or rejected.
func (e *Engine) Hidden(_ context.Context, cursor string, limit int) (items []Refused, next string, err error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, "", node.Errorf(node.Invalid, "Dấu trang không đọc được.", "the cursor can't be read")
	}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		return e.eachHidden(tx, after, func(r Refused, row []byte) (bool, error) {
			if len(items) == limit {
				return false, nil
			}
			items, next = append(items, r), base64.RawURLEncoding.EncodeToString(row)
			return true, nil
		})
	})
	if len(items) < limit {
		next = ""
	}
	return items, next, err
}

func (e *Engine) eachHidden(tx *store.Tx, after []byte, f func(r Refused, row []byte) (bool, error)) error {
	for _, c := range e.cfg.Pack.Collections {
		scan := store.Scan{Prefix: store.Row(c.ID, []byte{indexHidden})}
		if len(after) > 0 {
			if !bytes.HasPrefix(after, scan.Prefix) {
				continue // told before
			}
			scan.After, after = after, nil
		}
		ended := false
		err := tx.ScanRows(scan, func(row []byte) (bool, error) {
			id, err := store.IDOf(row)
			if err != nil {
				return false, err
			}
			r, err := e.hiddenRecord(tx, c, id)
			if err != nil || r == nil {
				return err == nil, err
			}
			more, err := f(*r, bytes.Clone(row))
			ended = !more
			return more, err
		})
		if err != nil || ended {
			return err
		}
	}
	return nil
}

func (e *Engine) hiddenRecord(tx *store.Tx, c *schema.Collection, id crdt.RecordID) (*Refused, error) {
	r, err := tx.Record(c.ID, id)
	if err != nil || r == nil {
		if node.CodeOf(err) == node.Damaged {
			err = nil
		}
		return nil, err
	}
	out := &Refused{InboxItem: InboxItem{Collection: c.ID, Record: id}}
	var dots []crdt.Dot
	for _, h := range e.hidden(r, e.authorities()) {
		dots = append(dots, h.Dot)
		out.Wrote = append(out.Wrote, saidOf(c, h.field, h.elem, h.Write))
		if ms := h.Stamp.Millis(); ms >= out.AtMS {
			out.Officer, out.Device, out.AtMS, out.Why, out.Log = h.Officer, h.Dot.Log.Device, ms, h.Why, h.Dot.Log
		}
	}
	if len(dots) == 0 {
		return nil, nil
	}
	sortSaid(out.Wrote)
	return e.unlessSeen(tx, out, dots)
}

type hiddenWrite struct {
	crdt.Hidden
	field uint32
	elem  string
}

// hidden are the writes that stand in a record, since nothing has replaced them, and
// aren't shown.
func (e *Engine) hidden(r *crdt.Record, under authorities) (all []hiddenWrite) {
	a := under.of(r.Scope)
	if a == nil {
		return nil
	}
	stands(r, func(field uint32, elem string, w crdt.Write) {
		if why := a.Hides(w); why != crdt.Visible {
			all = append(all, hiddenWrite{crdt.Hidden{Write: w, Why: why}, field, elem})
		}
	})
	return all
}

// WaitingRefused counts what is refused, each kind no further than limit.
func (e *Engine) WaitingRefused(stuck []Stuck, limit int) (n int, err error) {
	count := func(Refused) (bool, error) { n++; return n < limit, nil }
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		if err := e.eachRefused(tx, stuck, "", func(r Refused, _ string) (bool, error) { return count(r) }); err != nil || n >= limit {
			return err
		}
		return e.eachHidden(tx, nil, func(r Refused, _ []byte) (bool, error) { return count(r) })
	})
	return n, err
}

// dismissRefused takes something refused off the list of this device: until more of its
// record is refused.
func (e *Engine) dismissRefused(id string) error {
	err := e.StoreLocal(localRefused, id, dismissed)
	if err == nil {
		e.announce()
	}
	return err
}

// GoOnElsewhere begins logs of a new name if that log is this device's own and the one
// that it writes today: what is saved from now on doesn't lie behind what a peer refuses.
func (e *Engine) GoOnElsewhere(log crdt.LogID) (begun bool, err error) {
	e.write.Lock()
	defer e.write.Unlock()
	if log != e.ownLog(log.Class) {
		return false, nil
	}
	if err := e.beginAnew(); err != nil {
		return false, err
	}
	return true, nil
}
