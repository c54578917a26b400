package sdnotify

import (
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/vitals"
	"github.com/coppice-go/coppice/supervisor"
)

// Watch notifies systemd of what root does, from now until stop is called. Call it before
// Serve or Start, in main:
//
//	defer sdnotify.Watch(root)()
//
// root must be the root of the tree whose end is the end of the process: after STOPPING=1,
// systemd kills a process that does not end. If it is started again, READY=1 is sent again.
// A process should call Watch once. Watch panics if root is nil.
//
// Without NOTIFY_SOCKET in the environment, Watch does nothing and costs nothing.
// Otherwise it starts a goroutine, which ends in stop. Supervision never waits for it. A
// message that cannot be sent within a second is dropped, the first such error is logged
// to the Logger of root, and READY=1 and STOPPING=1 are tried again each second.
//
// stop sends what is still to be sent, and returns within three seconds. It may be called
// more than once. Serve and Stop of root wait for up to a second until its end was
// sent, so nothing is lost if the process ends without calling stop, as with log.Fatal.
func Watch(root *supervisor.Supervisor) (stop func()) {
	if root == nil {
		panic("sdnotify: Watch needs a root")
	}
	s := manager()
	if s == nil {
		return func() {}
	}
	return watch(root, s)
}

const (
	retryAfter  = time.Second      // a message that could not be sent
	statusEvery = 5 * time.Second  // at most; see statusShare
	statusShare = 100              // reading the tree for a status takes at most one part in that many of the time
	extendEvery = 10 * time.Second // while a start or a stop goes on
	extendBy    = 30 * time.Second // each time, from then
	extendFor   = 10 * time.Minute // in all, for a phase that has no limit of its own
	stopWait    = 3 * time.Second  // at most, for the last messages
)

// A phase is what the root does, as systemd distinguishes it.
type phase int

const (
	unknown phase = iota
	starting
	up
	draining
	stopping
	ended
)

func (p phase) String() string {
	return [...]string{"unknown", "starting", "up", "draining", "stopping", "ended"}[p]
}

// A watcher notifies a manager of what a root does.
type watcher struct {
	root     *supervisor.Supervisor
	to       *service
	log      *slog.Logger
	misses   misses
	requests chan chan<- struct{}
	quit     chan struct{} // closed by stop
	ended    chan struct{} // closed when the goroutine has ended

	// The rest belongs to the goroutine.
	phase     phase
	since     time.Time // of the phase
	limit     time.Duration
	extendDue time.Time
	feedDue   time.Time
	hungry    error // why the watchdog is not fed, or nil
	statusDue time.Time
	status    string // sent last
}

func watch(root *supervisor.Supervisor, s *service) (stop func()) {
	log := root.Spec().Logger
	s.mu.Lock()
	s.log = log
	s.mu.Unlock()
	w := &watcher{
		root: root, to: s, log: log, requests: make(chan chan<- struct{}),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	cancel := root.Subscribe(w.event, supervisor.EventUp, supervisor.EventDraining, supervisor.EventClosing,
		supervisor.EventOver, supervisor.EventHung)
	applies := applies{s, map[string]bool{}}
	cancelApplies := root.Subscribe(applies.event, supervisor.EventApplying, supervisor.EventApplied)
	go w.loop()
	return sync.OnceFunc(func() {
		close(w.quit)
		select {
		case <-w.ended:
		case <-time.After(stopWait): // a log handler blocks
		}
		cancel()
		cancelApplies()
	})
}

// event receives the events of the tree.
func (w *watcher) event(e supervisor.Event) {
	if e.Kind == supervisor.EventHung {
		w.misses.add(&e)
	}
	if e.Path == w.root.Path() { // not that of a nested supervisor; one that is lost only delays, since the timer comes
		w.sync()
	}
}

// sync waits until the manager was notified of the present phase, or until stop is called.
func (w *watcher) sync() {
	done := make(chan struct{})
	select {
	case w.requests <- done:
	case <-w.quit:
		return
	}
	select {
	case <-done:
	case <-w.quit:
	}
}

func (w *watcher) loop() {
	defer close(w.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var asked chan<- struct{}
		select {
		case <-timer.C:
		case asked = <-w.requests:
		case <-w.quit:
		}
		last := w.quits() // first of all: each message may take a second
		next := w.update(time.Now())
		if asked != nil {
			close(asked)
		}
		if last {
			return
		}
		timer.Reset(time.Until(next))
	}
}

func (w *watcher) quits() bool {
	select {
	case <-w.quit:
		return true
	default:
		return false
	}
}

// update sends what is due, and returns when there is something to do at the latest.
func (w *watcher) update(now time.Time) (next time.Time) {
	st := w.root.Status()
	w.enter(w.phaseOf(st), now)
	var lines []string
	if line := w.to.owes(w.phase == up, w.phase > up); line != "" {
		lines = append(lines, line)
	}
	if w.extends(now) {
		lines = append(lines, extendKey+strconv.FormatInt(extendBy.Microseconds(), 10))
	}
	fed := w.feeds(now)
	if fed {
		lines = append(lines, watchdogLine)
	}
	status := w.status
	if !now.Before(w.statusDue) {
		status = w.describe(st)
		w.statusDue = now.Add(max(statusEvery, statusShare*time.Since(now)))
	}
	if status != w.status {
		lines = append(lines, statusKey+status)
	}
	if len(lines) > 0 {
		if err := w.to.tell(lines...); err != nil {
			if fed {
				w.feedDue = now
			}
			w.extendDue, w.statusDue = now, now
			return time.Now().Add(retryAfter)
		}
	}
	w.status = status
	return w.next(now)
}

func (w *watcher) phaseOf(st child.Status) phase {
	switch {
	case vitals.Ended(st):
		return ended
	case st.State == child.Stopping:
		return stopping
	case st.State != child.Running:
		return starting
	case st.Text == supervisor.ErrDraining.Error():
		return draining
	}
	return up
}

// enter begins a phase, unless it has begun already.
func (w *watcher) enter(p phase, now time.Time) {
	if p == w.phase {
		return
	}
	if p < w.phase { // it was started again
		w.to.started()
	}
	w.phase, w.since = p, now
	w.extendDue, w.statusDue = now, now
	spec := w.root.Spec()
	switch p {
	case starting:
		w.limit = extendFor
	case draining:
		w.limit = spec.Drain
	case stopping:
		if w.limit = spec.StopTimeout; w.limit <= 0 {
			w.limit = extendFor
		}
	default:
		w.limit = 0
	}
}

// extends reports whether the timeout of the start or the stop must be extended now.
func (w *watcher) extends(now time.Time) bool {
	if now.Before(w.extendDue) || now.Sub(w.since) >= w.limit {
		return false
	}
	w.extendDue = now.Add(extendEvery)
	return true
}

// feeds reports whether the watchdog must be fed now.
func (w *watcher) feeds(now time.Time) bool {
	if w.to.watchdog == 0 || now.Before(w.feedDue) {
		return false
	}
	w.feedDue = now.Add(w.to.watchdog / 2)
	why := vitals.Live(w.root)
	if why == nil {
		why = w.misses.stuck(w.root, now)
	}
	if (why == nil) != (w.hungry == nil) {
		w.statusDue = now
		if why != nil && w.phase < stopping { // systemd has no watchdog while a service stops
			warn(w.log, "sdnotify: the watchdog is not fed any more, so the service manager will restart the process", "err", why)
		}
	}
	w.hungry = why
	return why == nil
}

// next returns when something is due.
func (w *watcher) next(now time.Time) time.Time {
	next := w.statusDue
	if w.to.watchdog > 0 && w.feedDue.Before(next) {
		next = w.feedDue
	}
	if now.Sub(w.since) < w.limit && w.extendDue.Before(next) {
		next = w.extendDue
	}
	return next
}
