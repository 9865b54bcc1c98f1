package engine

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vungxa/vungxa/crdt"
	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/packs"
	"github.com/vungxa/vungxa/node/schema"
	"github.com/vungxa/vungxa/node/store"
	"github.com/vungxa/vungxa/sync/identity"
)

func TestSearch(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	day := func(n int) int64 { return testNow.AddDate(0, 0, n).UnixMilli() }
	p.create(map[string]any{"subject": "Đăng ký khai sinh", "state": "open", "received": day(-3), "due": day(-1)})
	p.create(map[string]any{"subject": "Chứng thực bản sao", "state": "done", "received": day(-2), "due": day(1), "resolved": day(-1)})
	p.create(map[string]any{"subject": "Đăng ký khai tử", "state": "open", "received": day(-1), "due": day(2)})
	p.create(map[string]any{"subject": "Không rõ ngày"})
	p.create(map[string]any{"subject": "Ngược ngày", "received": day(-1), "resolved": day(-2)})
	here := Here
	for name, c := range map[string]struct {
		q    Query
		want []string
	}{
		"newest first, undated last": {Query{}, []string{"*", "*", "Chứng thực bản sao", "Đăng ký khai sinh", "Không rõ ngày"}},
		"oldest first, undated last": {Query{SortField: "received"}, []string{"Đăng ký khai sinh", "Chứng thực bản sao", "*", "*", "Không rõ ngày"}},
		"text without diacritics":    {Query{Text: "DANG ky khai", SortField: "subject"}, []string{"Đăng ký khai sinh", "Đăng ký khai tử"}},
		"the last word grows":        {Query{Text: "khai si"}, []string{"Đăng ký khai sinh"}},
		"an earlier word is whole":   {Query{Text: "kha sinh"}, nil},
		"a code":                     {Query{Filters: []Filter{{"state", Equal, "done"}}}, []string{"Chứng thực bản sao"}},
		"no code":                    {Query{Filters: []Filter{{"state", Missing, nil}}, SortField: "subject"}, []string{"Không rõ ngày", "Ngược ngày"}},
		"from a moment":              {Query{Filters: []Filter{{"due", From, day(1)}}}, []string{"Đăng ký khai tử", "Chứng thực bản sao"}},
		"to a moment":                {Query{Filters: []Filter{{"due", To, day(1)}}}, []string{"Chứng thực bản sao", "Đăng ký khai sinh"}},
		"open":                       {Query{Open: true}, []string{"Đăng ký khai tử", "Đăng ký khai sinh"}},
		"overdue":                    {Query{Overdue: true}, []string{"Đăng ký khai sinh"}},
		"flagged":                    {Query{Flagged: true}, []string{"Ngược ngày"}},
		"both conditions":            {Query{Open: true, Tick: &here, Text: "khai"}, nil}, // on a box all is at the office
	} {
		t.Run(name, func(t *testing.T) {
			whole := p.search(c.q)
			if whole.Total != len(c.want) || len(whole.Items) != len(c.want) {
				t.Fatalf("%d of %d records; want %d", len(whole.Items), whole.Total, len(c.want))
			}
			c.q.Limit = 1
			for i, want := range c.want {
				page := p.search(c.q)
				if page.Items[0].ID != whole.Items[i].ID {
					t.Errorf("page %d differs from the whole list", i)
				}
				if want != "*" && page.Items[0].Values["subject"] != want {
					t.Errorf("place %d: %v; want %s", i, page.Items[0].Values["subject"], want)
				}
				if (page.Next == "") != (i == len(c.want)-1) {
					t.Errorf("place %d of %d: next %q", i, len(c.want), page.Next)
				}
				c.q.Cursor = page.Next
			}
		})
	}
}

// The fullest entry that there can be, every word of every record replaced by
// another, fits one transaction of the store: on a hub, one that did not would
// stop the province.
func TestFullestEntryFitsATransaction(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	words := func(first int) string {
		var b bytes.Buffer
		for i := range schema.MaxTokens {
			fmt.Fprintf(&b, "%x ", first+i)
		}
		return b.String()
	}
	for round := range 2 {
		var rows []Row
		for i := range crdt.MaxRecords {
			rows = append(rows, Row{Key: fmt.Sprint(i), Values: map[string]any{"subject": "x", "note": words(1000 + 300*(i+round))}})
		}
		if _, err := p.Upsert(context.Background(), "nhập", "cases", rows, false); err != nil {
			t.Fatal(err)
		}
	}
	pack, err := packs.Commune()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range pack.Collections {
		// An entry of many such records is applied record by record.
		if keys := 2 * (schema.MaxTokens + 2*len(c.Fields) + 3); keys > store.MaxKeys {
			t.Errorf("%s: a record may write %d index rows; a transaction takes %d", c.ID, keys, store.MaxKeys)
		}
	}
}

// Records are found by the pack of today, whichever was there when they came.
func TestAnotherPackMakesTheIndexAnew(t *testing.T) {
	others := map[crdt.Device]identity.Role{}
	box, laptop := testEngine(t, "box", identity.RoleBox, others), testEngine(t, "laptop", identity.RoleLaptop, others)
	box.create(map[string]any{"subject": "Khai sinh", "note": "hai bản"})
	laptop.close()
	other := strings.ReplaceAll(testPack, "id: cases", "id: others")
	laptop.openWith(other)
	laptop.pull(box) // of a collection that it doesn't know
	laptop.close()
	laptop.open()
	for name, q := range map[string]Query{"all": {}, "word": {Text: "khai"}, "another field's word": {Text: "ban"}} {
		if n := laptop.search(q).Total; n != 1 {
			t.Errorf("%s: %d records; want 1", name, n)
		}
	}
	laptop.close()
	laptop.openWith(strings.Replace(testPack, "lww, search: true}\n      - {id: 7", "lww}\n      - {id: 7", 1))
	if n, all := laptop.search(Query{Text: "ban"}).Total, laptop.search(Query{}).Total; n != 0 || all != 1 {
		t.Errorf("a field that is searched no more: %d found, %d in all; want 0 and 1", n, all)
	}
}

func TestDueNowIsNotOverdue(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli() - 1, "due": testNow.UnixMilli()})
	if n := p.search(Query{Overdue: true}).Total; n != 0 {
		t.Errorf("%d overdue at the due moment; want 0", n)
	}
	p.now = testNow.Add(time.Millisecond)
	if n := p.search(Query{Overdue: true}).Total; n != 1 {
		t.Errorf("%d overdue past the due moment; want 1", n)
	}
}

func TestACursorOfAnotherListIsRefused(t *testing.T) {
	p := testEngine(t, "box", identity.RoleBox, map[crdt.Device]identity.Role{})
	for range 2 {
		p.create(map[string]any{"subject": "Việc", "received": testNow.UnixMilli()})
	}
	next := p.search(Query{SortField: "subject", Limit: 1}).Next
	_, err := p.Search(context.Background(), Query{Collection: "cases", SortField: "received", Cursor: next, Limit: 1})
	if node.CodeOf(err) != node.Invalid {
		t.Errorf("a cursor of the list by subject in the list by received: %v; want invalid", err)
	}
}
