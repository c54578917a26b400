package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// An entry is an Event in a queue. Supervision fills it in, and an Event is made of it where
// it is delivered. An entry takes two cache lines, an Event four: most of what an event costs
// supervision is memory that was last used by the processor of a subscriber. Fields that few
// events have are in rest, so the events of a restart need no allocation, unless the restart
// is logged.
type entry struct {
	seq      uint64
	time     time.Time
	path     string
	err      error
	by       string
	because  uint64
	run      uint64
	order    uint64
	duration time.Duration // one of the durations of the event: see durationOf
	rest     *Event        // has the other fields; nil if they are zero. Queues share it, so once queued it does not change
	restarts int32
	kind     EventKind
	reason   Reason
	next     machine.Next
	flags    entryFlags
}

// entryFlags are fields of an event that are true.
type entryFlags uint8

const (
	isReady entryFlags = 1 << iota
	isAgain
	isClean
	isLogged
	isUnasked
	isAtOnce
	isWrong // wrong, which is in rest, is not zero
)

func (n *entry) is(f entryFlags) bool { return n.flags&f != 0 }

// set sets a flag if on is true. It never clears one.
func (n *entry) set(f entryFlags, on bool) {
	if on {
		n.flags |= f
	}
}

// more returns the fields that are not in the entry, to be set before it is queued.
func (n *entry) more() *Event {
	if n.rest == nil {
		n.rest = new(Event)
	}
	return n.rest
}

// durationOf returns the duration that the entry of an event has. It depends on the kind.
func (e *Event) durationOf(kind EventKind) *time.Duration {
	switch kind {
	case EventRestarting, EventDraining:
		return &e.Delay
	case EventFailed:
		return &e.wait
	}
	return &e.Took
}

// entryOf returns the entry of an event.
func entryOf(e *Event) entry {
	n := headOf(e)
	durations := 0
	for _, d := range [...]time.Duration{e.Took, e.Delay, e.wait, e.down} {
		if d != 0 {
			durations++
		}
	}
	if n.duration != 0 {
		durations--
	}
	if durations > 0 || e.Stack != nil || e.Text != "" || e.Changes != nil || e.Lost > 0 || e.children != 0 || n.is(isWrong) {
		rest := *e
		n.rest = &rest
	}
	return n
}

// headOf returns the entry of an event without its rest. It allocates nothing.
func headOf(e *Event) entry {
	n := entry{
		seq: e.Seq, time: e.Time, path: e.Path, err: e.Err, by: e.By, because: e.Because, run: e.Run,
		order: e.order, duration: *e.durationOf(e.Kind), restarts: int32(e.Restarts), kind: e.Kind, reason: e.Reason, next: e.next,
	}
	n.set(isReady, e.Ready)
	n.set(isAgain, e.again)
	n.set(isClean, e.clean)
	n.set(isLogged, e.logged)
	n.set(isUnasked, e.unasked)
	n.set(isAtOnce, e.atOnce)
	n.set(isWrong, e.wrong != [2]int{})
	return n
}

// event makes e the event of the entry.
func (n *entry) event(e *Event) {
	if n.rest != nil {
		*e = *n.rest
	} else {
		*e = Event{}
	}
	e.Seq, e.Time, e.Path, e.Err, e.By, e.Because, e.Run = n.seq, n.time, n.path, n.err, n.by, n.because, n.run
	e.order, e.Kind, e.Reason, e.next = n.order, n.kind, n.reason, n.next
	*e.durationOf(n.kind) = n.duration
	e.Restarts = int(n.restarts)
	e.Ready, e.again, e.clean = n.is(isReady), n.is(isAgain), n.is(isClean)
	e.logged, e.unasked, e.atOnce = n.is(isLogged), n.is(isUnasked), n.is(isAtOnce)
}
