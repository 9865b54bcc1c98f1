package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
)

// MaxPage is the most records that one page holds.
const MaxPage = 200

// Query asks for a page of a collection. Everything in it narrows the answer.
type Query struct {
	Collection string
	Text       string // every word of it, the last as far as it goes, without diacritics
	Filters    []Filter
	Flagged    bool  // only records that a check marks
	Conflicted bool  // only records in which a person has to settle something
	Tick       *Tick // only records that have got just so far; Province: at least
	Open       bool  // only records received and not resolved
	Overdue    bool  // of these, only those past their due moment
	SortField  string
	Desc       bool
	Cursor     string // Page.Next of the page before
	Limit      int
}

// Op is what a Filter asks of a field.
type Op string

// The operations.
const (
	Equal   Op = "eq"
	From    Op = "from" // at or after the value
	To      Op = "to"   // at or before the value
	Missing Op = "empty"
)

// Filter asks something of one field: Equal and Missing of fields marked filter,
// From and To of fields marked sortable.
type Filter struct {
	Field string
	Op    Op
	Value any // as schema.Field.Parse gives it
}

// Page is a part of an answer.
type Page struct {
	Items  []*View
	Total  int    // of the whole answer
	Next   string // cursor of the page after; empty at the end
	AsOfMS int64  // by which what is overdue was judged
}

// set is the ids that a condition holds for.
type set map[crdt.RecordID]struct{}

// Search answers a query from the indexes: each condition gives a set of ids,
// the sort index gives the order, and only the page's own records are read.
func (e *Engine) Search(_ context.Context, q Query) (Page, error) {
	c, ok := e.cfg.Pack.Collection(q.Collection)
	if !ok {
		return Page{}, node.Errorf(node.NotFound, "Không có loại hồ sơ %q.", "there is no collection %q", q.Collection)
	}
	sortBy, err := sortField(c, &q)
	if err != nil {
		return Page{}, err
	}
	page := Page{AsOfMS: e.nowMS()}
	err = e.cfg.Store.View(func(tx *store.Tx) error {
		s := &search{engine: e, tx: tx, c: c, q: q, now: page.AsOfMS}
		if err := s.lookUp(); err != nil {
			return err
		}
		matches, all, err := s.matches()
		if err != nil {
			return err
		}
		page.Total = len(matches)
		if all {
			if page.Total, err = count(tx, c.ID); err != nil {
				return err
			}
		}
		ids, next, err := s.walk(sortBy, matches, all)
		if err != nil {
			return err
		}
		page.Next = next
		for _, id := range ids {
			v, err := e.listed(tx, c.ID, id)
			if err != nil {
				return err
			}
			page.Items = append(page.Items, v)
		}
		return nil
	})
	return page, err
}

// lookUp finds out which index is read.
func (s *search) lookUp() error {
	g, err := s.tx.Generations()
	if err != nil {
		return err
	}
	s.state = s.engine.rebuild.state(g)
	s.made, err = s.engine.madeOf(s.tx, g.Index)
	return err
}

func sortField(c *schema.Collection, q *Query) (*schema.Field, error) {
	if q.SortField == "" {
		q.SortField, q.Desc = c.Sort.Field, c.Sort.Desc
	}
	f, ok := c.Field(q.SortField)
	if !ok || !f.Sortable {
		return nil, node.Errorf(node.Invalid, "Không sắp xếp được theo trường %q.", "can't sort by the field %q", q.SortField)
	}
	if q.Limit <= 0 || q.Limit > MaxPage {
		return nil, node.Errorf(node.Invalid, "Một trang có từ 1 đến %d hồ sơ.", "a page holds 1 to %d records", MaxPage)
	}
	return f, nil
}

type search struct {
	engine *Engine
	tx     *store.Tx
	c      *schema.Collection
	q      Query
	now    int64
	made   *parts // what the index is made of; nil: there is none yet
	state  ViewState
}

// current says whether the index that is read has the rows that begin so as
// today's pack makes them.
func (s *search) current(prefix []byte) error {
	if s.made != nil && s.made.has(s.engine.parts, prefix) {
		return nil
	}
	if s.state.Err != nil && node.CodeOf(s.state.Err) != node.ReadOnly {
		return fmt.Errorf("the index can't be made anew: %w", s.state.Err)
	}
	if s.state.Err != nil { // nothing is refused that someone may not do: it can't be done yet
		return node.Errorf(node.Unavailable,
			"Mục lục tìm kiếm chưa dựng xong (đã xong %d hồ sơ), nên danh sách này chưa xem được: %w Có chỗ trống thì nó tự dựng tiếp; từng hồ sơ vẫn mở được.",
			"the search index isn't made yet (%d records done), so this list can't be shown: %w. It goes on by itself when there is room; records can be opened meanwhile",
			s.state.Done, s.state.Err)
	}
	return node.Errorf(node.Unavailable,
		"Mục lục tìm kiếm đang được làm lại theo mẫu mới (đã xong %d hồ sơ); cách tìm hoặc sắp xếp này sẽ dùng được khi xong. Hồ sơ vẫn mở và lưu được.",
		"the search index is being made anew for the new pack (%d records done); this search or order will work when it is done. Records can be opened and saved meanwhile",
		s.state.Done)
}

// matches is the ids that all conditions hold for; all, if there is none.
func (s *search) matches() (ids set, all bool, err error) {
	conditions, err := s.conditions()
	if err != nil {
		return nil, false, err
	}
	for i, condition := range conditions {
		next, err := condition()
		if err != nil {
			return nil, false, err
		}
		if i == 0 {
			ids = next
			continue
		}
		for id := range ids {
			if _, ok := next[id]; !ok {
				delete(ids, id)
			}
		}
	}
	return ids, len(conditions) == 0, nil
}

func (s *search) conditions() ([]func() (set, error), error) {
	var all []func() (set, error)
	add := func(f func() (set, error)) { all = append(all, f) }
	for i, words := 0, schema.Words(s.q.Text); i < len(words); i++ {
		word := wordKey(words[i])
		if i < len(words)-1 {
			word = append(word, 0)
		}
		add(func() (set, error) { return s.prefix(indexToken, word) })
	}
	for _, f := range s.q.Filters {
		condition, err := s.filter(f)
		if err != nil {
			return nil, err
		}
		add(condition)
	}
	if s.q.Flagged {
		add(func() (set, error) { return s.prefix(indexFlag) })
	}
	if s.q.Conflicted {
		add(func() (set, error) { return s.prefix(indexConflict) })
	}
	if s.q.Open && !s.q.Overdue {
		add(func() (set, error) { return s.prefix(indexOpen) })
	}
	if s.q.Overdue {
		add(func() (set, error) { return s.between([]byte{indexOpen}, nil, momentBytes(s.now)) })
	}
	if s.q.Tick != nil {
		add(func() (set, error) { return s.ticked(*s.q.Tick) })
	}
	return all, nil
}

func (s *search) filter(f Filter) (func() (set, error), error) {
	field, ok := s.c.Field(f.Field)
	ranged := f.Op == From || f.Op == To
	if !ok || (ranged && !field.Sortable) || (!ranged && !field.Filter) {
		return nil, node.Errorf(node.Invalid, "Không lọc được theo trường %q.", "can't filter by the field %q", f.Field)
	}
	name := append([]byte{indexSort}, fieldBytes(field)...)
	switch f.Op {
	case Equal:
		return func() (set, error) { return s.prefix(indexEqual, fieldBytes(field), equalKey(field, f.Value)) }, nil
	case Missing:
		return func() (set, error) { return s.prefix(indexEqual, fieldBytes(field), equalKey(field, nil)) }, nil
	case From:
		return func() (set, error) { return s.between(name, field.SortKey(f.Value), []byte{schema.SortMissing}) }, nil
	case To:
		return func() (set, error) { return s.between(name, nil, after(field.SortKey(f.Value))) }, nil
	}
	return nil, node.Errorf(node.Invalid, "Không có phép lọc %q.", "there is no filter operation %q", string(f.Op))
}

// after is the first key behind all that begin with key.
func after(key []byte) []byte {
	key = bytes.Clone(key)
	for i := len(key) - 1; i >= 0; i-- {
		if key[i]++; key[i] != 0 {
			return key[:i+1]
		}
	}
	return []byte{0xff}
}

// prefix is the ids under an index prefix.
func (s *search) prefix(kind byte, parts ...[]byte) (set, error) {
	key := store.Row(s.c.ID, append([][]byte{{kind}}, parts...)...)
	return s.scan(store.Scan{Prefix: key}, nil)
}

// between is the ids of an index whose keys lie in [from, to).
func (s *search) between(name, from, to []byte) (set, error) {
	prefix := store.Row(s.c.ID, name)
	scan := store.Scan{Prefix: prefix}
	if from != nil {
		scan.From = append(bytes.Clone(prefix), from...)
	}
	return s.scan(scan, append(bytes.Clone(prefix), to...))
}

func (s *search) scan(scan store.Scan, to []byte) (set, error) {
	ids := set{}
	if err := s.current(scan.Prefix); err != nil {
		return nil, err
	}
	err := s.tx.ScanRows(scan, func(k []byte) (bool, error) {
		if to != nil && bytes.Compare(k, to) >= 0 {
			return false, nil
		}
		id, err := store.IDOf(k)
		ids[id] = struct{}{}
		return true, err
	})
	return ids, err
}

// ticked is the ids of the records that have got just as far as tick.
func (s *search) ticked(tick Tick) (set, error) {
	ids := set{}
	if tick == Province {
		all, err := s.prefix(indexSort, fieldBytes(mustField(s.c)))
		if err != nil {
			return nil, err
		}
		ids = all
	}
	candidates := set{}
	err := s.engine.below(s.tx, s.c.ID, min(tick+1, Province), func(id crdt.RecordID) { candidates[id] = struct{}{} })
	if err != nil {
		return nil, err
	}
	for id := range candidates {
		delete(ids, id)
		r, err := s.tx.Record(s.c.ID, id)
		if node.CodeOf(err) == node.Damaged {
			if at, err := s.engine.historyTick(s.tx, id); err != nil {
				return nil, err
			} else if min(at, Province) == tick {
				ids[id] = struct{}{}
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		read, err := s.engine.read(s.tx, r)
		if err != nil {
			return nil, err
		}
		if read.exists && min(s.engine.recordTick(r), Province) == tick {
			ids[id] = struct{}{}
		}
	}
	return ids, nil
}

// mustField is the field of the collection's own order: every shown record is
// in its index.
func mustField(c *schema.Collection) *schema.Field {
	f, _ := c.Field(c.Sort.Field)
	return f
}

// walk goes along the sort index from the cursor until a page is full. Records
// without a value come last in both directions.
func (s *search) walk(by *schema.Field, matches set, all bool) (ids []crdt.RecordID, next string, err error) {
	cursor, err := base64.RawURLEncoding.DecodeString(s.q.Cursor)
	if err != nil {
		return nil, "", node.Errorf(node.Invalid, "Dấu trang không đọc được: %w", "the cursor can't be read: %w", err)
	}
	prefix := store.Row(s.c.ID, []byte{indexSort}, fieldBytes(by))
	if err := s.current(prefix); err != nil {
		return nil, "", err
	}
	var last []byte
	for _, part := range []byte{schema.SortPresent, schema.SortMissing} {
		scan := store.Scan{Prefix: append(bytes.Clone(prefix), part), Reverse: s.q.Desc}
		if len(cursor) > len(prefix) {
			if !bytes.HasPrefix(cursor, prefix) {
				return nil, "", node.Errorf(node.Invalid, "Dấu trang thuộc một danh sách khác.", "the cursor is of another list")
			}
			if cursor[len(prefix)] > part {
				continue
			}
			if cursor[len(prefix)] == part {
				scan.After = cursor
			}
		}
		err := s.tx.ScanRows(scan, func(k []byte) (bool, error) {
			id, err := store.IDOf(k)
			if _, ok := matches[id]; err != nil || (!ok && !all) {
				return err == nil, err
			}
			if len(ids) == s.q.Limit {
				next = base64.RawURLEncoding.EncodeToString(last)
				return false, nil
			}
			ids, last = append(ids, id), bytes.Clone(k)
			return true, nil
		})
		if err != nil || next != "" {
			return ids, next, err
		}
	}
	return ids, next, nil
}
