package sdnotify

import (
	"strconv"
	"sync"

	"github.com/coppice-go/coppice/supervisor"
)

// Reloading sends RELOADING=1 with the time of the call, which is what a unit of
// Type=notify-reload waits for after its SIGHUP. Call done when the new configuration is in
// use or was refused: it sends READY=1. If several reloads overlap, the last done sends it.
//
//	defer sdnotify.Reloading()()
//
// While a supervisor of the tree carries out an Apply, Watch does the same by itself. If the
// reload is more than that, or may find that nothing has changed, use Reloading around the
// whole.
//
// Reloading has no effect unless Watch watches a root that is up: before that, and while it
// stops, the unit cannot be reloaded. done may be called more than once.
func Reloading() (done func()) {
	s := manager()
	if s == nil || !s.beginReload() {
		return func() {}
	}
	return sync.OnceFunc(s.endReload)
}

// applies reports each Apply of the tree as a reload.
type applies struct {
	to    *service
	began map[string]bool // those in progress that were reported, by the path of the supervisor
}

// event receives EventApplying and EventApplied.
func (a *applies) event(e supervisor.Event) {
	switch {
	case e.Kind == supervisor.EventApplying && a.to.beginReload():
		a.began[e.Path] = true
	case e.Kind == supervisor.EventApplied && a.began[e.Path]:
		delete(a.began, e.Path)
		a.to.endReload()
	}
}

// beginReload reports false if the service is not ready, or stops.
func (s *service) beginReload() bool {
	s.mu.Lock()
	if !s.ready || s.stopping {
		s.mu.Unlock()
		return false
	}
	s.reloads++
	lines := []string{reloadingLine}
	if usec, ok := monotonic(); ok {
		lines = append(lines, monotonicKey+strconv.FormatInt(usec, 10))
	}
	report, _ := s.write(lines...)
	s.mu.Unlock()
	report()
	return true
}

func (s *service) endReload() {
	s.mu.Lock()
	s.reloads--
	report := func() {}
	if s.reloads == 0 && !s.stopping {
		var err error
		if report, err = s.write(readyLine); err != nil {
			s.ready = false // the watcher sends it again
		}
	}
	s.mu.Unlock()
	report()
}
