package task

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/child"
)

// A shift is one run of a pool. It has Limit slots. A task has a slot while it runs, and not
// while it waits for other tasks.
type shift struct {
	ctx  child.Context
	spec Spec

	noted atomic.Bool   // the numbers have changed since the last report
	stale chan struct{} // receives when noted becomes true

	mu     sync.Mutex
	free   int                            // slots
	turns  queue[*turn]                   // that wait for a slot, while none is free
	calls  queue[context.CancelCauseFunc] // of the calls whose tasks must end with the shift
	tasks  int                            // that have begun and not returned
	closed bool                           // nothing begins any more
	ending chan struct{}                  // closed with it
	idle   chan struct{}                  // closed when closed and there are no tasks
	done   uint64
	failed uint64
}

// A turn waits for a slot.
type turn struct {
	granted chan struct{} // receives when it has the slot
	begins  bool          // for a task that has not begun
	node[*turn]
}

func newTurn(begins bool) *turn {
	t := new(turn)
	t.prepare(make(chan struct{}, 1), begins)
	return t
}

func (t *turn) prepare(granted chan struct{}, begins bool) {
	t.granted, t.begins, t.value = granted, begins, t
}

func newShift(spec Spec, ctx child.Context) *shift {
	spec.Limit = spec.limit() // that of a zero Pool is not filled in
	return &shift{
		ctx: ctx, spec: spec, free: spec.Limit,
		stale: make(chan struct{}, 1), ending: make(chan struct{}), idle: make(chan struct{}),
	}
}

// join adds a call whose tasks end with the shift. It reports false if that has ended.
func (s *shift) join(call *node[context.CancelCauseFunc]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.calls.pushBack(call)
	return true
}

func (s *shift) part(call *node[context.CancelCauseFunc]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls.remove(call)
}

// take takes a slot if one is free. Otherwise it puts the turn into the queue: a task that has
// begun goes ahead of those that have not. After the end of the shift it does neither.
func (s *shift) take(t *turn) (taken, ended bool) {
	defer s.note()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return false, true
	case s.free > 0:
		s.free--
		s.begun(t)
		return true, false
	case t.begins:
		s.turns.pushBack(&t.node)
	default:
		s.turns.pushFront(&t.node)
	}
	return false, false
}

func (s *shift) begun(t *turn) {
	if t.begins {
		s.tasks++
	}
}

// leave takes a turn out of the queue. It reports whether the turn has got a slot meanwhile.
func (s *shift) leave(t *turn) (granted bool) {
	defer s.note()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns.remove(&t.node) {
		return false
	}
	<-t.granted
	return true
}

// decline frees the slot of a task that does not begin after all.
func (s *shift) decline() {
	defer s.note()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks--
	s.giveBack()
	s.endIfIdle()
}

// release frees the slot of a task that goes on without it.
func (s *shift) release() {
	defer s.note()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.giveBack()
}

// giveBack frees a slot, for the turn that is next. s.mu must be held.
func (s *shift) giveBack() {
	first := s.turns.front
	if first == nil || s.closed {
		s.free++
		return
	}
	s.turns.remove(first)
	s.begun(first.value)
	first.value.granted <- struct{}{}
}

// returned records the end of a task. What waits for the task sees that at the same moment as
// the numbers: a task that goes on then must not find that it has to wait for longer, and lend
// its slot again.
func (s *shift) returned(j job, hasSlot bool, err error) {
	defer s.note()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks--
	s.done++
	if err != nil {
		s.failed++
	}
	j.finish()
	if hasSlot {
		s.giveBack()
	}
	s.endIfIdle()
}

func (s *shift) endIfIdle() {
	if s.closed && s.tasks == 0 {
		close(s.idle)
	}
}

// end ends the contexts of all tasks and waits until they have returned. Turns that wait end
// with the contexts of their calls.
func (s *shift) end(cause error) {
	s.mu.Lock()
	s.closed = true
	close(s.ending)
	var cancels []context.CancelCauseFunc
	for call := s.calls.front; call != nil; call = call.after {
		cancels = append(cancels, call.value)
	}
	s.endIfIdle()
	s.mu.Unlock()
	for _, cancel := range cancels { // without the lock: they may call functions of a caller
		cancel(cause)
	}
	<-s.idle
}

// cause returns why the shift has ended.
func (s *shift) cause() error {
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	return child.ErrStopped // Ready was refused
}

func (s *shift) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *shift) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{
		Limit: s.spec.Limit, Running: s.spec.Limit - s.free, Waiting: s.turns.length,
		Done: s.done, Failed: s.failed,
	}
}
