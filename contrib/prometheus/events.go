package coppiceprom

import (
	"log/slog"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Two subscriptions: the events of many starts at once fill only the queue of the second,
// so that they displace no failure and no restart.
var (
	countedKinds = []supervisor.EventKind{
		supervisor.EventRestarting, supervisor.EventFailed, supervisor.EventHung,
		supervisor.EventAbandoned, supervisor.EventLateExit, supervisor.EventGaveUp,
	}
	timedKinds = []supervisor.EventKind{supervisor.EventReady, supervisor.EventStopped, supervisor.EventAbandoned}
)

// count adds an event to the counters.
func (c *Collector) count(e supervisor.Event) {
	if e.Kind == supervisor.EventGaveUp {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lost(e)
		c.groupFor(e.Path).gaveUp++
		return
	}
	asked := c.spec.SeriesFor != nil && !c.hasSeries(e.Path) && c.asksFor(e.Path) // user code, so without the lock
	panicked := e.Kind == supervisor.EventFailed && isPanic(e)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost(e)
	if e.Kind == supervisor.EventLateExit {
		c.ledger.returned(e.Path)
		return
	}
	switch n := c.countsFor(e.Path, asked); e.Kind {
	case supervisor.EventRestarting:
		n.restarts++
	case supervisor.EventFailed:
		n.lastFailure = e.Time
		if panicked {
			n.panicked++
		} else {
			n.errors++
		}
	case supervisor.EventHung:
		n.missed++
	case supervisor.EventAbandoned:
		c.ledger.abandon(e.Path, n)
	}
}

// measure adds an event to the histograms. A start ends when the child is ready; one that fails
// is not measured.
func (c *Collector) measure(e supervisor.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost(e)
	if e.Took <= 0 { // ready again after Unready, or a restart that was cancelled
		return
	}
	g := c.groupFor(parent(e.Path))
	if e.Kind == supervisor.EventReady {
		g.start.Observe(e.Took.Seconds())
	} else {
		g.stop.Observe(e.Took.Seconds())
	}
}

func (c *Collector) lost(e supervisor.Event) { c.ledger.lost += e.Lost }

// hasSeries reports whether the child at path has series already.
func (c *Collector) hasSeries(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ledger.kids[path] != nil
}

// asksFor reports whether the program asks for series of a child that has none by default.
func (c *Collector) asksFor(path string) (yes bool) {
	if c.spec.SeriesFor == nil || len(path) > maxAskedPath || name(path) == "*" {
		return false
	}
	defer func() {
		if v := recover(); v != nil {
			yes = false
			c.warn.Do(func() {
				slog.Error("coppiceprom: SeriesFor panicked", "err", child.Recovered(v), "path", path)
			})
		}
	}()
	return c.spec.SeriesFor(path)
}

// countsFor returns the counts that an event of the child at path is added to. c.mu must be
// held.
func (c *Collector) countsFor(path string, asked bool) *counts {
	if k := c.ledger.kids[path]; k != nil {
		return &k.counts
	}
	up := c.learn(parent(path))
	if asked || up != nil && up.declared[name(path)] {
		if k := c.ledger.kid(path); k != nil {
			return &k.counts
		}
	}
	g := c.groupFor(parent(path))
	g.hasRest = true
	return &g.rest
}

// groupFor returns the supervisor at path, or the nearest above it that has series. c.mu must
// be held.
func (c *Collector) groupFor(path string) *group {
	if g := c.learn(path); g != nil {
		return g
	}
	if g := c.ledger.nearest(path); g != nil {
		return g
	}
	return c.learn(c.root.Path())
}

// learn returns the supervisor at path, if it has series. One that has not been seen before
// gets them, if it has them by default and there is room. c.mu must be held.
func (c *Collector) learn(path string) *group {
	if g := c.ledger.groups[path]; g != nil || path == "" {
		return g
	}
	sup := c.root
	if path != c.root.Path() {
		if up := c.learn(parent(path)); up == nil || !up.declared[name(path)] || !c.ledger.fits(c.ledger.cost) {
			return nil
		}
		var ok bool
		if sup, ok = c.root.Nested(path); !ok {
			return nil
		}
	}
	g := c.ledger.addGroup(path, c.registrar)
	g.declared = declaredBy(sup)
	return g
}

// declaredBy returns the names of those children of a supervisor that have series by
// default, if the supervisor has. The name * is not among them, because it stands for all
// others.
func declaredBy(sup *supervisor.Supervisor) map[string]bool {
	spec := sup.Spec()
	if spec.Strategy == strategy.Independent {
		return nil
	}
	names := make(map[string]bool, len(spec.Children))
	for i := range spec.Children {
		names[spec.Children[i].Name] = true
	}
	delete(names, "*")
	return names
}

// isPanic reports whether a failure was a panic or a runtime.Goexit. The core has looked for
// the stack of a panic in the error, so no method of the error is called here.
func isPanic(e supervisor.Event) bool {
	return len(e.Stack) > 0 || e.Err == child.ErrGoexit
}
