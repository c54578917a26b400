package coppiceprom

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// phases are the starts, or the stops, that are under way, by path. The event that ends one
// may be lost, so its entry may be left behind. sweep removes it, and maxPhases bounds what
// there is if nothing is ever scraped.
type phases map[string]time.Time

const (
	maxPhases = 1 << 18

	// sweepAfter is how old an entry is before sweep doubts it. An event is delivered much
	// sooner.
	sweepAfter = time.Minute
)

// begin notes that a phase has begun, and reports false if there are too many.
func (p phases) begin(e supervisor.Event) bool {
	if len(p) >= maxPhases {
		return false
	}
	p[e.Path] = e.Time
	return true
}

// end returns how long the phase took that ends with e, if one was under way.
func (p phases) end(e supervisor.Event) (took time.Duration, ok bool) {
	began, ok := p[e.Path]
	delete(p, e.Path)
	return e.Time.Sub(began), ok
}

// sweep removes old entries of children that are not in the state of the phase any more. It
// asks for their states without the lock.
func (c *Collector) sweep(p phases, in child.State) {
	c.mu.Lock()
	old := p.old(time.Now().Add(-sweepAfter))
	c.mu.Unlock()
	for path := range old {
		if st, ok := c.root.Lookup(path); ok && st.State == in {
			delete(old, path)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for path, began := range old {
		if p[path].Equal(began) { // otherwise it is another by now
			delete(p, path)
		}
	}
}

func (p phases) old(before time.Time) phases {
	old := phases{}
	for path, began := range p {
		if began.Before(before) {
			old[path] = began
		}
	}
	return old
}
