package supervisor

import (
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
)

// A start that takes too long must report what it waits for: usually a Run that never
// calls Ready.

// A lateStart is the error of a start that was cancelled because a context ended.
type lateStart struct {
	cause   error // of the context
	waiting []startingChild
}

// A startingChild is a child that a start waits for.
type startingChild struct {
	path  string
	state child.State // Starting or Waiting
	since time.Duration
	lacks string // name of the child that it waits for; "" is none, or not known
}

func (e *lateStart) Error() string {
	text := "still starting: "
	if e.cause != child.ErrStartTimeout { // otherwise the failure says so already
		text = oneline.Of(e.cause) + ": " + text
	}
	return text + firstFew(e.waiting, ", ", func(c startingChild) string {
		switch {
		case c.lacks != "":
			return fmt.Sprintf("%s (waiting for %s)", oneline.Text(c.path), oneline.Text(c.lacks))
		case c.state == child.Waiting:
			return fmt.Sprintf("%s (waiting to start)", oneline.Text(c.path))
		}
		return fmt.Sprintf("%s (for %v)", oneline.Text(c.path), c.since.Round(time.Millisecond))
	})
}

func (e *lateStart) Unwrap() error { return e.cause }

// stillStarting returns cause with the children that are still starting at the time of
// the call. It takes one lock at a time.
func (l *life) stillStarting(cause error) error {
	if waiting := l.startingBelow(); len(waiting) > 0 {
		return &lateStart{cause, waiting}
	}
	return cause
}

// startingBelow returns the children that the start of the supervisor waits for. In place
// of a nested supervisor it returns the children that that one waits for.
func (l *life) startingBelow() (all []startingChild) {
	var waiting []lateChild
	l.lock()
	now := l.now()
	for c := l.m.First(); c != nil; c = c.Next() {
		if c.Booting() && isStarting(c) {
			waiting = append(waiting, l.lateChild(c, now))
		}
	}
	l.mu.Unlock()
	for _, c := range waiting {
		all = append(all, c.below()...)
	}
	return all
}

// startingIn is startingBelow for the child of that name alone. It does not visit the
// others: thousands of calls may run out of time at once.
func (l *life) startingIn(name string) []startingChild {
	l.lock()
	c := l.m.Child(name)
	if c == nil || !isStarting(c) {
		l.mu.Unlock()
		return nil
	}
	waiting := l.lateChild(c, l.now())
	l.mu.Unlock()
	return waiting.below()
}

func isStarting(c *machine.Child) bool {
	return c.State() == child.Starting || c.State() == child.Waiting
}

// A lateChild is a startingChild and the supervisor that runs in it, or nil.
type lateChild struct {
	startingChild
	nested *life
}

// lateChild describes c. l.mu must be held.
func (l *life) lateChild(c *machine.Child, now time.Duration) lateChild {
	return lateChild{startingChild{l.pathOf(c), c.State(), now - c.Since, l.lacks(c)}, runOfChild(c).rareFields().nested}
}

// below returns the children that a nested supervisor waits for, or else the child itself.
func (c lateChild) below() []startingChild {
	if c.nested != nil {
		if below := c.nested.startingBelow(); len(below) > 0 {
			return below
		}
	}
	return []startingChild{c.startingChild}
}
