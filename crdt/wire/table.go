package wire

import "slices"

// table gives what entries name again and again a place.
type table[T comparable] struct {
	rows []T
	at   map[T]int
}

func (t *table[T]) add(v T) {
	if _, ok := t.at[v]; ok {
		return
	}
	if t.at == nil {
		t.at = map[T]int{}
	}
	t.at[v] = len(t.rows)
	t.rows = append(t.rows, v)
}

// sort is for tables that are to be written.
func (t *table[T]) sort(compare func(a, b T) int) {
	slices.SortFunc(t.rows, compare)
	for i, v := range t.rows {
		t.at[v] = i
	}
}

// place is where something stands in a table.
func place[T comparable](w *walk, c class, t *table[T], v *T) int {
	n := uint64(0)
	if !w.reading {
		n = uint64(t.at[*v])
	}
	if w.num(c, &n); n >= uint64(len(t.rows)) {
		w.fail("a place beyond its table:", n)
		return 0
	}
	*v = t.rows[n]
	return int(n)
}
