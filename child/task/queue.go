package task

// A queue is a list whose nodes are parts of what they stand for: no operation allocates.
type queue[T any] struct {
	front, back *node[T]
	length      int
}

type node[T any] struct {
	before, after *node[T]
	in            bool
	value         T
}

func (q *queue[T]) pushBack(n *node[T]) {
	n.before, n.after, n.in = q.back, nil, true
	if q.back != nil {
		q.back.after = n
	} else {
		q.front = n
	}
	q.back = n
	q.length++
}

func (q *queue[T]) pushFront(n *node[T]) {
	n.before, n.after, n.in = nil, q.front, true
	if q.front != nil {
		q.front.before = n
	} else {
		q.back = n
	}
	q.front = n
	q.length++
}

// remove removes a node. It reports false if the node was not in the queue.
func (q *queue[T]) remove(n *node[T]) bool {
	if !n.in {
		return false
	}
	if n.before != nil {
		n.before.after = n.after
	} else {
		q.front = n.after
	}
	if n.after != nil {
		n.after.before = n.before
	} else {
		q.back = n.before
	}
	n.before, n.after, n.in = nil, nil, false
	q.length--
	return true
}
