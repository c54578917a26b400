package supervisor

import "sort"

// maxQueued is the number of events of each sort, loud and quiet, that wait for a
// subscriber at most.
const maxQueued = 1000

// An eventQueue holds at most maxQueued events, in order. If there are more, those in the middle
// are dropped: the first ones show how a storm began, and the latest ones how it ended.
type eventQueue struct {
	first, rest ring // if first is empty, rest is too
}

func (q *eventQueue) len() int { return q.first.count + q.rest.count }

// front returns the oldest event.
func (q *eventQueue) front() *entry { return q.first.at(0) }

// push adds an event. If it displaces one, it calls dropped with that.
func (q *eventQueue) push(e *entry, dropped func(*entry)) {
	to := &q.first
	if to.count == halfQueued || q.rest.count > 0 {
		to = &q.rest
		if to.count == halfQueued {
			if q.first.count < halfQueued {
				q.first.push(to.at(0))
			} else {
				dropped(to.at(0))
			}
			to.drop()
		}
	}
	to.push(e)
}

// drop drops the oldest event.
func (q *eventQueue) drop() {
	q.first.drop()
	if q.first.count == 0 {
		q.first, q.rest = q.rest, q.first
	}
}

// find returns the event with that number, which must be in the queue.
func (q *eventQueue) find(order uint64) *entry {
	in := &q.first
	if q.rest.count > 0 && q.rest.at(0).order <= order {
		in = &q.rest
	}
	return in.at(sort.Search(in.count, func(i int) bool { return in.at(i).order >= order }))
}

// oldest returns the one of two queues that has the oldest event. Not both are empty.
func oldest(a, b *eventQueue) *eventQueue {
	if a.len() == 0 || b.len() > 0 && b.front().order < a.front().order {
		return b
	}
	return a
}

const halfQueued = maxQueued / 2

// A ring holds at most halfQueued events.
type ring struct {
	events      []entry
	head, count int
}

// at returns event i, counted from the oldest.
func (r *ring) at(i int) *entry {
	if i += r.head; i >= len(r.events) {
		i -= len(r.events)
	}
	return &r.events[i]
}

func (r *ring) push(e *entry) {
	if r.count == len(r.events) {
		grown := make([]entry, min(max(8, 2*len(r.events)), halfQueued))
		for i := range r.count {
			grown[i] = *r.at(i)
		}
		r.events, r.head = grown, 0
	}
	r.count++
	*r.at(r.count - 1) = *e
}

// drop drops the oldest event.
func (r *ring) drop() {
	*r.at(0) = entry{}
	if r.head++; r.head == len(r.events) {
		r.head = 0
	}
	r.count--
}
