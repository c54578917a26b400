package task

import (
	"context"
	"sync"
)

// A slot is that of one task. While the task waits for other tasks, it lends the slot to
// them: otherwise tasks that wait for tasks of their own pool could hold all slots, and wait
// for ever.
type slot struct {
	shift *shift

	mu      sync.Mutex
	held    bool
	waiting int  // goroutines of the task that wait for other tasks
	ended   bool // the task has returned
}

// slotKey is the key of the slot of a task in its context.
type slotKey struct{}

// A slotted is the context of a task.
type slotted struct {
	context.Context
	slot slot
}

func (c *slotted) Value(key any) any {
	if key == (slotKey{}) {
		return &c.slot
	}
	return c.Context.Value(key)
}

// A loan is a slot that its task has lent. The zero loan is none.
type loan struct {
	slot *slot
	ctx  context.Context
}

// lend lends the slot of the task that ctx belongs to, if there is one, until back is called.
func lend(ctx context.Context) loan {
	sl, ok := ctx.Value(slotKey{}).(*slot)
	if !ok {
		return loan{}
	}
	sl.mu.Lock()
	sl.waiting++
	held := sl.held
	sl.held = false
	sl.mu.Unlock()
	if held {
		sl.shift.release()
	}
	return loan{sl, ctx}
}

// back returns when the task has a slot again, or its pool or ctx has ended. The caller must
// not hold a slot for a task that it has not started yet: there may be no other one.
func (l loan) back() {
	sl := l.slot
	if sl == nil {
		return
	}
	sl.mu.Lock()
	sl.waiting--
	needed := sl.needs()
	sl.mu.Unlock()
	if needed && sl.regain(l.ctx) {
		sl.keep()
	}
}

// needs reports whether the task must have a slot and has none. The lock must be held.
func (sl *slot) needs() bool { return sl.waiting == 0 && !sl.held && !sl.ended }

// regain waits for a slot. It reports false if there is none to wait for.
func (sl *slot) regain(ctx context.Context) bool {
	t := newTurn(false)
	taken, ended := sl.shift.take(t)
	if taken || ended {
		return taken
	}
	select {
	case <-t.granted:
		return true
	case <-ctx.Done():
	case <-sl.shift.ending:
	}
	return sl.shift.leave(t)
}

// keep makes a slot that was regained that of the task, unless it does not need it any more.
func (sl *slot) keep() {
	sl.mu.Lock()
	needed := sl.needs()
	sl.held = sl.held || needed
	sl.mu.Unlock()
	if !needed {
		sl.shift.release()
	}
}

// end records that the task has returned. It reports whether it had a slot.
func (sl *slot) end() (held bool) {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	held, sl.held, sl.ended = sl.held, false, true
	return held
}
