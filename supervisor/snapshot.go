package supervisor

import (
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A snapshot of very many children must not hold the lock for long. Under the lock it only
// copies what may change, into memory that was allocated before: it allocates nothing,
// formats nothing and takes no page fault. If there are more children than fit, it
// allocates more memory without the lock and starts over.

// roomFor allocates room for n values, and for some more unless it is the first attempt;
// had is the length of the previous one. It touches the memory, because a page fault
// under the lock costs more than the copying.
func roomFor[T child.Status | Tree | finding](n, had int) []T {
	room := make([]T, n+had/8)
	touch(room)
	return room
}

// touch writes to each page of room, which is all zero.
func touch[T child.Status | Tree | finding](room []T) {
	const perPage = 11 // at least, of any of them
	var zero T
	for i := 0; i < len(room); i += perPage {
		room[i] = zero
	}
}

// A look is the moment of a snapshot. Its times follow the current wall clock, even if
// that was set since the supervisor started.
type look struct {
	now   time.Time
	since time.Duration // since the supervisor started
}

func (l *life) look() look {
	now := time.Now()
	return look{now, now.Sub(l.began)}
}

// time converts a time of the machine's clock. The latest one is about 292 years from
// now.
func (k look) time(at time.Duration) time.Time { return k.now.Add(at - k.since) }

// describe copies everything but the path to a status; finish then fills in the times.
// The lock must be held.
//
// It writes a pointer only if it must, because each write has a cost while the garbage
// collector marks, and a time.Time contains one. It therefore stores times as the machine
// has them, counted from the zero time.
func describe(c *machine.Child, st *child.Status) {
	st.Name, st.Restart = c.Spec.Name, c.Spec.Restart
	st.State, st.Since = c.State(), raw(c.Since)
	failures := c.Failures()
	st.Restarts, st.Abandoned, st.Supervisor = int(c.Restarts), failures.Abandoned, c.Super
	if failures.LastError != nil || st.LastError != nil {
		st.LastError, st.LastErrorAt = failures.LastError, raw(failures.LastErrorAt)
	}
	if failures.NextStart != 0 || !st.NextStart.IsZero() {
		st.NextStart = raw(failures.NextStart)
	}
	if c.Unready && st.State.Alive() {
		st.Unready = runOfChild(c).rare.unready
	} else if st.Unready != nil {
		st.Unready = nil
	}
	if c.Said && st.State.Alive() {
		st.Text = runOfChild(c).rare.text
	} else if st.Text != "" {
		st.Text = ""
	}
	if by, limited := stopBy(c); limited || !st.StopBy.IsZero() {
		st.StopBy = raw(by)
	}
	st.Failing = c.Failing()
	st.Run, st.Hung, st.GaveUp, st.Declined, st.Added = c.Run(), c.Hung(), c.Lost, c.Ignored, !c.Declared
	st.Suspended = false
	if c.Nested {
		nested := runOfChild(c).rareFields().nested
		st.Suspended = nested != nil && nested.suspended.Load()
	}
}

// stopBy returns when a Stopping child is abandoned, or zero if there is no limit. The lock
// must be held.
func stopBy(c *machine.Child) (at time.Duration, limited bool) {
	if c.State() != child.Stopping {
		return 0, false
	}
	r := runOfChild(c)
	switch limit, ok := c.StopTimeout(); {
	case r.queue != nil && r.timer == machine.StopTimer && !c.Nested: // extended if the process stood still
		at, limited = r.due, true
	case ok:
		at, limited = machine.After(r.stopped, limit), true
	}
	if end := r.life.budget.parts[1].due; end > 0 && (!limited || end < at) {
		at, limited = end, true
	}
	return at, limited
}

func raw(at time.Duration) time.Time { return time.Time{}.Add(at) }

// finish converts the times that describe stored. It needs no lock.
func (k look) finish(st *child.Status) {
	st.Since = k.ofRaw(st.Since)
	if st.LastError != nil {
		st.LastErrorAt = k.ofRaw(st.LastErrorAt)
	} else if !st.LastErrorAt.IsZero() {
		st.LastErrorAt = time.Time{}
	}
	if !st.NextStart.IsZero() {
		st.NextStart = k.ofRaw(st.NextStart)
	}
	if !st.StopBy.IsZero() {
		st.StopBy = k.ofRaw(st.StopBy)
	}
}

func (k look) ofRaw(at time.Time) time.Time { return k.time(at.Sub(time.Time{})) }

// paths builds the paths of many children in strings that they share, a few dozen to a
// string. This is cheap, and a caller that keeps one path does not keep all of them
// alive.
type paths struct {
	base string
	text strings.Builder
	made int
}

func (p *paths) of(name string) string {
	const mostShared = 64
	size := len(p.base) + 1 + len(name)
	if p.text.Cap()-p.text.Len() < size {
		p.text = strings.Builder{}
		p.text.Grow(size * min(mostShared, p.made+1)) // twice as many each time
	}
	p.made++
	start := p.text.Len()
	p.text.WriteString(p.base)
	p.text.WriteByte('/')
	p.text.WriteString(name)
	return p.text.String()[start:]
}
