package sdnotify

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A child that misses its heartbeat is restarted, which usually is enough. If the next run
// misses it too, before it has been well for a while, the fault is not in the child alone,
// and the whole process should be restarted. The same goes for a run that never returns and
// must be waited for without limit.

// misses are the children that have missed a heartbeat and have not been well since.
type misses struct {
	mu sync.Mutex
	of map[string]*miss // by path
}

// A miss is the latest missed heartbeat of a child.
type miss struct {
	run   uint64
	at    time.Time
	again bool // the run before had missed it too
}

const (
	// wellAfter is how long a later run must have been running, and two periods of its
	// heartbeat at least.
	wellAfter = time.Minute
	// maxMisses bounds the memory. The children beyond it are not watched.
	maxMisses = 1000
)

// add records an EventHung.
func (all *misses) add(e *supervisor.Event) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.of == nil {
		all.of = make(map[string]*miss)
	}
	before := all.of[e.Path]
	if before == nil && len(all.of) == maxMisses {
		return
	}
	all.of[e.Path] = &miss{run: e.Run, at: e.Time, again: before != nil && (before.again || before.run != e.Run)}
}

// stuck returns an error if the restart of a child was no use, and forgets the children
// that are well again or gone.
func (all *misses) stuck(root *supervisor.Supervisor, now time.Time) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(all.of)) {
		m := all.of[path]
		st, found := root.Lookup(path)
		switch {
		case m.over(root, st, found, now):
			delete(all.of, path)
		case m.again:
			return &supervisor.ChildError{Path: path, Err: errors.New("missed its heartbeat again after a restart")}
		case found && st.Run == m.run && st.State == child.Stopping && st.StopBy.IsZero() && now.Sub(m.at) >= wellAfter:
			return &supervisor.ChildError{Path: path, Err: errors.New("missed its heartbeat and does not return, and its stop has no limit")}
		}
	}
	return nil
}

// over reports whether the child needs no watching any more.
func (m *miss) over(root *supervisor.Supervisor, st child.Status, found bool, now time.Time) bool {
	switch {
	case !found: // its supervisor may be about to start again
		return now.Sub(m.at) >= wellAfter
	case st.State == child.Done || st.State == child.Stopped:
		return true
	case st.State != child.Running || st.Run == m.run:
		return false
	}
	spec, _ := root.LookupSpec(st.Path)
	return now.Sub(st.Since) >= max(wellAfter, min(spec.Heartbeat, time.Hour)*2)
}
