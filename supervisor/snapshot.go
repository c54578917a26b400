package supervisor

import (
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A snapshot of very many children must not hold up others for long. Under the lock
// it copies what may change, into room that was made before. It allocates nothing
// there, makes no text and takes no page fault. If by then there are more children
// than there is room for, it makes more room and begins again.

// roomFor makes room for n, and for some more if it is not the first: had is how
// large that before was. Its memory is there, not only promised by the system: a
// page fault under the lock costs more than the copying.
func roomFor[T child.Status | Tree | finding](n, had int) []T {
	room := make([]T, n+had/8)
	touch(room)
	return room
}

// touch writes to each page of room, which is all zero.
func touch[T child.Status | Tree | finding](room []T) {
	const perPage = 16 // at least, of any of them
	var zero T
	for i := 0; i < len(room); i += perPage {
		room[i] = zero
	}
}

// A look is the moment of a snapshot. Its times follow the wall clock as it is set
// now, whatever that was when the supervisor started.
type look struct {
	now   time.Time
	since time.Duration // since the supervisor started
}

func (l *life) look() look {
	now := time.Now()
	return look{now, now.Sub(l.began)}
}

// time is the time of what the machine's clock shows as at. The latest there is lies
// some 292 years from now.
func (k look) time(at time.Duration) time.Time { return k.now.Add(at - k.since) }

// describe copies to a status all but the path; finish then makes its times. Under the
// lock.
//
// It writes no pointer that it need not write, as each costs something while the
// garbage collector marks, and a time has one. So it notes times as the machine has
// them, counted from the zero time.
func describe(c *machine.Child, st *child.Status) {
	st.Name, st.Restart = c.Spec.Name, c.Spec.Restart
	st.State, st.Since = c.State(), raw(c.Since)
	st.Restarts, st.Abandoned, st.Supervisor = c.Restarts, int(c.Abandoned), c.Super
	if c.LastError != nil || st.LastError != nil {
		st.LastError, st.LastErrorAt = c.LastError, raw(c.LastErrorAt)
	}
	if c.NextStart != 0 || !st.NextStart.IsZero() {
		st.NextStart = raw(c.NextStart)
	}
	if c.Unready && st.State.Alive() {
		st.Unready = runOfChild(c).few.unready
	} else if st.Unready != nil {
		st.Unready = nil
	}
}

func raw(at time.Duration) time.Time { return time.Time{}.Add(at) }

// finish makes times of what describe has noted. Not under the lock.
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
}

func (k look) ofRaw(at time.Time) time.Time { return k.time(at.Sub(time.Time{})) }

// paths makes the paths of many children in text that they share, a few dozen to a
// piece: so they cost little, and who keeps one does not keep all.
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
