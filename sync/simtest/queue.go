package simtest

import (
	"container/heap"
	"time"
)

// queue is what is going to happen, in order: of two events of one moment the one
// that was planned first.
type queue struct {
	now    time.Duration // since the history began
	count  uint64
	events []event
}

type event struct {
	at  time.Duration
	nth uint64
	do  func()
}

func (q *queue) Len() int { return len(q.events) }
func (q *queue) Less(i, j int) bool {
	a, b := q.events[i], q.events[j]
	return a.at < b.at || a.at == b.at && a.nth < b.nth
}
func (q *queue) Swap(i, j int) { q.events[i], q.events[j] = q.events[j], q.events[i] }
func (q *queue) Push(x any)    { q.events = append(q.events, x.(event)) }
func (q *queue) Pop() any {
	last := q.events[len(q.events)-1]
	q.events = q.events[:len(q.events)-1]
	return last
}

// at plans something for a moment, or for now if that is past.
func (q *queue) at(t time.Duration, do func()) {
	q.count++
	heap.Push(q, event{max(t, q.now), q.count, do})
}

func (q *queue) after(d time.Duration, do func()) { q.at(q.now+d, do) }

// step lets the next event happen; false if there is none before a moment.
func (q *queue) step(before time.Duration) bool {
	if len(q.events) == 0 || q.events[0].at >= before {
		return false
	}
	e := heap.Pop(q).(event)
	q.now = e.at
	e.do()
	return true
}
