package supervisor

import (
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
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
}

func (e *lateStart) Error() string {
	text := "still starting: "
	if e.cause != child.ErrStartTimeout { // otherwise the failure says so already
		text = oneline.Of(e.cause) + ": " + text
	}
	return text + firstFew(e.waiting, ", ", func(c startingChild) string {
		if c.state == child.Waiting {
			return fmt.Sprintf("%s (waiting to start)", oneline.Text(c.path))
		}
		return fmt.Sprintf("%s (for %v)", oneline.Text(c.path), c.since.Round(time.Millisecond))
	})
}

func (e *lateStart) Unwrap() error { return e.cause }

// stillStarting returns cause with the children that are still starting at the time of
// the call. It takes one lock at a time.
func (l *life) stillStarting(cause error) error {
	if waiting := l.startingBelow(""); len(waiting) > 0 {
		return &lateStart{cause, waiting}
	}
	return cause
}

// startingBelow returns the children that are starting, or only the one with that name.
// In place of a nested supervisor it returns the children that it waits for.
func (l *life) startingBelow(name string) (all []startingChild) {
	type waited struct {
		startingChild
		nested *life
	}
	var children []waited
	l.mu.Lock()
	now := l.now()
	for c := l.m.First(); c != nil; c = c.Next() {
		wanted := c.Booting()
		if name != "" {
			wanted = c.Name() == name
		}
		if s := c.State(); wanted && (s == child.Starting || s == child.Waiting) {
			children = append(children, waited{startingChild{l.pathOf(c), s, now - c.Since}, runOfChild(c).rareFields().nested})
		}
	}
	l.mu.Unlock()
	for _, c := range children {
		var below []startingChild
		if c.nested != nil {
			below = c.nested.startingBelow("")
		}
		if len(below) == 0 {
			below = []startingChild{c.startingChild}
		}
		all = append(all, below...)
	}
	return all
}
