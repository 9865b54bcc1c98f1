package kpi

import "container/heap"

// step is one kind of change of a group's sums at one moment.
type step struct {
	at    int64
	group *group
	slot  slot
}

// queue holds the steps to come, with how often each is due, the earliest first.
// A step that is taken away again leaves nothing behind. The zero queue is empty.
type queue struct {
	byStep map[step]*waiting
	order  byTime
}

type waiting struct {
	step
	n     int64 // never 0
	index int   // in order
}

// add changes by n how often a step is due.
func (q *queue) add(s step, n int64) {
	w := q.byStep[s]
	if w == nil {
		q.push(&waiting{step: s, n: n})
		return
	}
	if w.n += n; w.n == 0 {
		heap.Remove(&q.order, w.index)
		delete(q.byStep, s)
	}
}

func (q *queue) push(w *waiting) {
	if q.byStep == nil {
		q.byStep = map[step]*waiting{}
	}
	q.byStep[w.step] = w
	heap.Push(&q.order, w)
}

// pop takes out the earliest step if it is due at now.
func (q *queue) pop(now int64) (s step, n int64, ok bool) {
	if q.next() > now {
		return step{}, 0, false
	}
	w := heap.Pop(&q.order).(*waiting)
	delete(q.byStep, w.step)
	return w.step, w.n, true
}

// next returns when the earliest step is due.
func (q *queue) next() int64 {
	if len(q.order) == 0 {
		return never
	}
	return q.order[0].at
}

// byTime is a heap.Interface. Steps of one moment come in any order: they add up.
type byTime []*waiting

func (h byTime) Len() int           { return len(h) }
func (h byTime) Less(i, j int) bool { return h[i].at < h[j].at }

func (h byTime) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *byTime) Push(x any) {
	w := x.(*waiting)
	w.index = len(*h)
	*h = append(*h, w)
}

func (h *byTime) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return w
}
