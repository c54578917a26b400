package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sort"
	"time"

	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// finish stops the tree and checks its end.
func (c *campaign) finish() {
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	for _, t := range c.later {
		if t.resumes {
			t.do()
			c.apart()
		}
	}
	c.giveUp()
	c.settle()
	c.check()
	c.watch.finalStop(c.tr.Sup.Tree(), time.Now())
	began := time.Now()
	c.note(doing, c.tr.Sup.Path(), "stop")
	err := c.tr.Sup.Stop(context.Background())
	took := time.Since(began)
	live, _ := c.tr.Injector.Live()
	c.watch.stopped(c, err, took, live)
	c.tr.Injector.Release()
	if !c.drained() {
		left, _ := c.tr.Injector.Live()
		c.watch.mu.Lock()
		c.watch.fault("runs have not returned: %v", left)
		c.watch.mu.Unlock()
	}
	c.settle()
	c.agree(c.watch.withoutEnd)
	c.watch.cancel()
}

// stopped checks the result of the stop.
func (w *watch) stopped(c *campaign, err error, took time.Duration, live map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// A supervisor that is out of time has a second to return.
	slack := time.Second
	if c.live {
		slack += slackLive
	}
	if limit := w.tr.Spec.StopTimeout; limit > 0 && took-slack > limit { // child.Forever plus anything would overflow
		w.fault("the stop took %v, but StopTimeout is %v", took, limit)
	}
	var stop *supervisor.StopError
	if err != nil && !errors.As(err, &stop) {
		w.fault("the stop returned %v", err)
	}
	w.listed(err, live)
}

// listed checks that the error of a tree that has ended lists all live runs, except those
// that were abandoned by an earlier end.
func (w *watch) listed(err error, live map[string]int) {
	listed := make(map[string]bool)
	var stop *supervisor.StopError
	if errors.As(err, &stop) {
		for _, s := range stop.Abandoned {
			listed[s.Path] = true
		}
	}
	for _, path := range sortedKeys(live) {
		if live[path] > w.earlier[path] && !listed[path] && !w.atOnce(path) {
			w.fault("%s has not returned, but the tree's error does not list it: %s", path, testkit.OneLine(err))
		}
	}
}

// atOnce reports whether a child is known to be abandoned at once, without a wait.
func (w *watch) atOnce(path string) bool {
	for _, s := range w.tr.Spec.Children {
		if w.tr.Sup.Path()+"/"+s.Name == path && s.StopTimeout < 0 {
			return true
		}
	}
	return false
}

// drained reports whether all runs end before Patience does.
func (c *campaign) drained() bool {
	timer := time.NewTimer(testkit.Patience())
	defer timer.Stop()
	for {
		if live, _ := c.tr.Injector.Live(); len(live) == 0 {
			return true
		}
		select {
		case <-c.tr.Injector.Moved():
		case <-timer.C:
			return false
		}
	}
}

// A note is a line of the trace.
type note struct {
	time  time.Time
	place place
	path  string
	text  string
}

// place is the position of a note among those of the same instant.
type place uint8

const (
	doing place = iota // an action: before all events
	event
	asked // the result of a call: after all events
)

func (c *campaign) note(at place, path, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live && len(c.notes) == 2*keptLive {
		c.notes = append([]note(nil), c.notes[keptLive:]...)
	}
	c.notes = append(c.notes, note{time.Now(), at, path, text})
}

// result is the report.
func (c *campaign) result() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &c.report
	r.Events, r.Lost = maps.Clone(w.counts), w.lost // live, some events may come late
	live, entered := c.tr.Injector.Live()
	r.Started, r.Ended = entered, entered
	for _, n := range live {
		r.Ended -= uint64(n)
	}
	r.Broken = append([]string{}, w.broken...)
	for _, path := range c.tr.Injector.Twice() {
		r.Broken = append(r.Broken, path+" was started while an earlier run, not asked to stop, was running")
	}
	r.Trace = c.trace(w.events)
	return r
}

// judge adds the rules of the spec that the report breaks. They are user code, and see the
// whole report, so it is called without a lock.
func (s *Spec) judge(r *Report) {
	for _, rule := range s.Rules {
		if !rule.Holds(r) {
			r.Broken = append(r.Broken, "rule broken: "+rule.Says)
		}
	}
}

// trace merges notes and events, in an order that is the same each time.
func (c *campaign) trace(events []supervisor.Event) (lines []string) {
	notes := append([]note(nil), c.notes...)
	for _, e := range testkit.CanonicalOrder(events, func(a, b *supervisor.Event) bool {
		_, ok := testkit.Apart(a.Path, b.Path)
		return ok
	}) {
		notes = append(notes, note{e.Time, event, "", e.String()})
	}
	sort.SliceStable(notes, func(i, j int) bool {
		a, b := &notes[i], &notes[j]
		switch {
		case !a.time.Equal(b.time):
			return a.time.Before(b.time)
		case a.place != b.place:
			return a.place < b.place
		case a.path != b.path:
			return a.path < b.path
		}
		return a.place == asked && a.text < b.text
	})
	for _, n := range notes {
		line := fmt.Sprintf("%12v  ", n.time.Sub(c.began).Round(time.Microsecond))
		if n.place != event {
			line += "-- " + n.path + " "
		}
		lines = append(lines, line+n.text)
	}
	return lines
}
