package schema

import (
	"maps"
	"slices"
)

// ListItem is an item and the code list that it belongs to, as an office
// imports them.
type ListItem struct {
	List string
	Item Item
}

// WithItems is the pack with further items in its open code lists. An item with
// a code that the list has already replaces that item; one for a list that is
// unknown or closed is left out. The collections are shared with p: an open
// list takes any code, so no value is read differently for it.
func (p *Pack) WithItems(items []ListItem) *Pack {
	out := *p
	out.CodeLists = maps.Clone(p.CodeLists)
	for _, it := range items {
		old, ok := p.CodeLists[it.List]
		if !ok || !old.Open {
			continue
		}
		if out.CodeLists[it.List] == old {
			list := *old
			list.Items = slices.Clone(old.Items)
			out.CodeLists[it.List] = &list
		}
		out.CodeLists[it.List].put(it.Item)
	}
	return &out
}

func (l *CodeList) put(item Item) {
	i := slices.IndexFunc(l.Items, func(old Item) bool { return old.Code == item.Code })
	if i < 0 {
		l.Items = append(l.Items, item)
		return
	}
	l.Items[i] = item
}
