package supervisor

import (
	"context"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// A life is one run of a supervisor, from its start to its end. It carries out what the
// machine decides, and has no goroutine of its own. Any goroutine with an event (a child
// that returned, a timer, a caller) takes the lock and passes the event to the machine.
// It then does, under the lock and in order, what neither blocks nor runs user code
// (perform), releases the lock, and does the rest (runTasks). When very many children become
// ready or end together, one goroutine may do that for many (ready_batch.go, exit_batch.go).
//
// Events are delivered to the life they originate from, never to a later life of the same
// supervisor. The locks of two lives are never held together. The lock of a life comes
// before that of its tree (shared) and those of subscriptions.
type life struct {
	sup        *Supervisor
	parent     *run // the run of the parent's child that this supervisor runs in; nil at the root
	shared     *shared
	ownShared  shared // what shared points to at the root
	path       string
	base       context.Context // parent of the contexts of runs; has values only
	began      time.Time
	passPanics bool
	ordered    bool     // children start and stop one after another; Upgrade cannot change that
	graph      bool     // children start and stop along their edges; nor that
	around     []around // the outermost last
	log        *logger
	labels     context.Context // the pprof labels of base, and nothing else

	up         chan struct{}        // closed when the declared children are up
	over       chan struct{}        // closed when nothing runs
	err        error                // how it ended; set before over is closed
	posted     atomic.Pointer[run]  // runs that have become ready, the latest first: see postReady
	posts      atomic.Uint32        // how many have been there
	taken      atomic.Uint32        // how many of them have been taken
	postsReady atomic.Bool          // a crowd starts, so Ready posts
	exits      atomic.Pointer[run]  // queued exits, the latest first: see pushExit
	drainer    atomic.Bool          // a run is about to handle queued exits, or does so under the lock
	crowded    atomic.Bool          // a crowd is about to return: see drainExits
	spare      atomic.Pointer[call] // for reuse, or nil

	mu              sync.Mutex
	m               machine.Machine
	spec            *Spec         // the one it was started with, or the one that Upgrade has set
	closing         error         // the cause passed to close
	unclean         []*ChildError // runs that returned an error while this life ended
	stopping        time.Duration // when the end began
	draining        *run          // taken from exits and not handled yet, the first one first
	left            step          // tasks that takePosted has left to the next visit
	starting        int           // runs that are about to become ready: see crowd
	leaving         int           // runs that are about to return
	dump            *dump         // the stacks of all goroutines, while a step may abandon runs
	abandonedAll    bool          // abandonAll was called
	refused         bool          // refuse was called
	applying        *plan         // of the Apply in progress, or nil
	timers          deadlines
	subscribedKinds kinds  // kinds that have a subscriber, in this visit to the machine
	knownKinds      kinds  // what subscribed found
	knownSince      uint64 // subscriptionChanges when it did
	failing         failing
	whys            whys
	asked           why      // of the call of close
	late            uint64   // number of the abandoned run that has returned, in this visit
	drain           drain    // of a root
	lastEvent       struct { // of the machine
		name string    // of its child
		path string    // of its child
		at   time.Time // of all events of this visit to the machine; zero: not read yet
	}
	budget budget    // for the whole stop
	fates  fateWatch // of callers that wait for a Ref
	awaits fateWatch // of callers of Await

	suspended atomic.Bool // what l.m.Suspended returns; also read without the lock

	unreturned map[*run]struct{} // abandoned runs of this life and of those below it; guarded by shared.mu
}

func newLife(s *Supervisor, spec *Spec, ctx context.Context, parent *run) *life {
	l := &life{
		sup:        s,
		spec:       spec,
		parent:     parent,
		path:       "/" + spec.name(),
		base:       valuesOf(ctx),
		began:      time.Now(),
		passPanics: spec.PassPanics,
		ordered:    rules.Ordered(spec.Strategy),
		graph:      spec.Strategy == strategy.Graph,
		up:         make(chan struct{}),
		over:       make(chan struct{}),
	}
	l.labels = onlyLabels(ctx)
	if spec.Around != nil {
		l.around = []around{spec.Around}
	}
	if parent == nil {
		l.shared = &l.ownShared
		l.m.Init(spec.config(&l.shared.runs))
		l.log = s.logger(spec)
		return l
	}
	above := parent.life
	l.shared, l.path = above.shared, parent.Path()
	l.m.Init(spec.config(&l.shared.runs))
	l.passPanics = l.passPanics || above.passPanics
	l.around = append(l.around, above.around...)
	l.log = above.log
	if spec.Logger != nil {
		l.log = s.logger(spec)
	}
	return l
}

// valuesOf returns a context with the values of ctx that never ends. Others that never end,
// perhaps of the caller's own type, must not be used as they are: launch would call their
// methods under the lock.
func valuesOf(ctx context.Context) context.Context {
	if ctx == context.Background() {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// onlyLabels returns a context with the pprof labels of ctx and nothing else, so that
// they are found at once.
func onlyLabels(ctx context.Context) context.Context {
	var labels []string
	pprof.ForLabels(ctx, func(key, value string) bool {
		labels = append(labels, key, value)
		return true
	})
	if labels == nil {
		return context.Background()
	}
	return pprof.WithLabels(context.Background(), pprof.Labels(labels...))
}

// now returns the time of the machine's clock. It is read under the lock, so that the
// machine sees it only move forward.
func (l *life) now() time.Duration { return time.Since(l.began) }

func (l *life) isOver() bool { return isClosed(l.over) }

// wasUp reports whether all declared children have been up at some time.
func (l *life) wasUp() bool { return isClosed(l.up) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// causes are what context.Cause returns to a run that was cancelled, by the machine's
// reason for it. The end of the supervisor has several causes: see endCause.
var causes = [...]error{
	machine.WhyStopped: child.ErrStopped,
	machine.WhyRemoved: child.ErrRemoved,
	machine.WhySibling: child.ErrSibling,
	machine.WhyTimeout: child.ErrStartTimeout,
	machine.WhyHung:    child.ErrHung,
}

// cause returns what context.Cause returns to a run that is cancelled for that reason.
func (l *life) cause(why machine.Why) error {
	if why == machine.WhyClosing {
		return l.endCause()
	}
	return causes[why]
}

// endCause returns the cause that the end of the supervisor has for its children.
func (l *life) endCause() error {
	switch end := l.m.End(); {
	case end.Kind == machine.EndAsked:
		return l.closing
	case end.Kind == machine.EndAuto:
		return child.ErrStopped
	case end.Err == nil:
		return child.ErrGaveUp
	default:
		return &errs.Wrap{Sentinel: child.ErrGaveUp, Cause: end.Err}
	}
}

// bootAndWait starts the declared children, and waits until all of them are up, ctx ends or
// the supervisor has ended. It reports whether they have been up: also if the supervisor
// has gone down again since, or ctx ended at the same moment. If ctx has ended already, it
// starts nothing.
func (l *life) bootAndWait(ctx context.Context) (up bool) {
	if ctx.Err() != nil {
		return false
	}
	l.boot()
	select {
	case <-l.up:
	case <-ctx.Done():
	case <-l.over:
	}
	return l.wasUp()
}

// boot starts the declared children.
func (l *life) boot() {
	l.do(func(now time.Duration) {
		l.redeclare(now)
		var links rules.Links
		if d := l.sup.declared.Load(); l.spec == &d.spec {
			links = d.links
		}
		l.m.Boot(l.spec.Children, links, now)
		l.wakeAll() // those that waited for the children to exist
	})
}

// redeclare takes over a declaration that an Upgrade or an Apply has made between begin,
// which has read the one before, and the moment in which it could see this life. l.mu must be
// held.
func (l *life) redeclare(now time.Duration) {
	d := l.sup.declared.Load()
	renamed := l.parent == nil && l.path != "/"+d.spec.name()
	if &d.spec == l.spec || d.fault != nil || renamed || l.m.Phase() != machine.Unborn {
		return
	}
	if l.m.Arrange(d.spec.config(nil), nil, now) == nil {
		l.spec = &d.spec
	}
}

// close begins the end, with the given cause. The first cause stays.
func (l *life) close(cause error) { l.stopBy(cause, func(now time.Duration) { l.m.Close(now) }) }

// closeFor is close for a reason that the events of the end will have.
func (l *life) closeFor(cause error, asked why) {
	l.stopBy(cause, func(now time.Duration) {
		if l.m.Phase() < machine.Closing {
			l.asked = asked
		}
		l.m.Close(now)
	})
}

// cancelAll asks all remaining runs to stop, at once.
func (l *life) cancelAll(cause error) {
	l.stopBy(cause, func(now time.Duration) { l.m.CancelAll(now) })
}

// abandonAll abandons all remaining runs.
func (l *life) abandonAll(cause error) {
	stacks := l.beforeAbandoning(lateFor(time.Now(), l.stopsSince()))
	l.stopBy(cause, func(now time.Duration) {
		l.dump, l.abandonedAll = stacks, true
		l.m.AbandonAll(now)
	})
}

// stopsSince returns how long the stop has taken so far.
func (l *life) stopsSince() time.Duration {
	l.lock()
	defer l.mu.Unlock()
	if l.m.Phase() < machine.Closing {
		return 0
	}
	return l.now() - l.m.Since()
}

func (l *life) stopBy(cause error, event func(time.Duration)) {
	l.do(func(now time.Duration) {
		if l.closing == nil {
			l.closing = cause
		}
		event(now)
	})
}

// end closes the life. It is called once, under the lock, when nothing runs any more.
func (l *life) end() {
	l.budget.end()
	l.whys.of = childWhys{}
	l.timers.end()
	if l.parent == nil {
		l.shared.dumps.end()
	}
	l.err = and(l.reason(), l.stopErr())
	l.publishPhase(EventOver)
	close(l.over)
}

// reason returns the error of the life's end, without abandoned runs and unclean stops.
func (l *life) reason() error {
	switch end := l.m.End(); {
	case end.Kind.GaveUp():
		return l.gaveUp(end)
	case end.Kind == machine.EndStart:
		return &ChildError{Path: l.pathOf(end.Child), Err: end.Err}
	case end.Err != nil: // of a significant child
		return &ChildError{Path: l.pathOf(end.Child), Err: end.Err, auto: true}
	}
	return nil
}

func (l *life) gaveUp(end machine.End) *GaveUpError {
	e := &GaveUpError{Path: l.path, Child: l.pathOf(end.Child), Err: end.Err}
	switch end.Kind {
	case machine.EndIntensity:
		e.Limit = l.m.Intensity()
		e.Reason = "more than " + rules.Restarts(e.Limit)
	case machine.EndBackoff:
		e.Reason = "backoff gave up"
	default:
		e.Reason = "escalated"
	}
	return e
}

func (l *life) pathOf(c *machine.Child) string { return l.path + "/" + c.Name() }
