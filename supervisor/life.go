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
)

// A life is one run of a supervisor, from its start to its end. It carries out
// what the machine decides. It has no goroutine of its own: whoever brings news
// (a child that returned, a timer, a caller) takes the lock, steps the machine,
// does under the lock and in order what neither blocks nor runs user code
// (perform), releases the lock and does the rest (settle). Of the children of a
// crew that ends, one may bring the news of many (ends.go).
//
// News goes to the life that it comes from, so that none reaches the next life
// of the same supervisor. Locks of two lives are never held together. A life's
// lock comes before that of its tree and those of subscriptions.
type life struct {
	sup        *Supervisor
	parent     *run // the run that the supervisor is the inside of; nil at the root
	shared     *shared
	ownShared  shared // of a root: that is its tree
	path       string
	base       context.Context // what the contexts of runs are made of: values only
	began      time.Time
	passPanics bool
	ordered    bool     // children start and stop one after another; Upgrade cannot change that
	around     []around // the outermost last
	log        *logger
	labels     context.Context // the pprof labels of base, and nothing else

	up    chan struct{}        // closed when the declared children are up
	over  chan struct{}        // closed when nothing runs
	err   error                // how it ended; set before over is closed
	exits atomic.Pointer[run]  // posted, the last in front: see postEnd
	spare atomic.Pointer[call] // to be used again; nil: there is none

	mu              sync.Mutex
	m               *machine.Machine
	spec            *Spec         // what it was begun with, or what Upgrade put in its place
	closing         error         // the cause given to close
	unclean         []*ChildError // runs that returned an error as this life ended
	stopping        time.Duration // when the end began
	draining        *run          // from ends, and still to be brought, the first in front
	dump            *dump         // the stacks of all goroutines, while a step may abandon some
	abandonedAll    bool          // there was no time left
	timers          deadlines
	subscribedKinds kinds // what subscribers want to know of, in this visit to the machine
	failing         failing
	lastEvent       struct { // of the latest event that was published
		path string
		at   time.Time // zero: of none in this visit to the machine
	}
	budget budget // for the whole stop
	fates  fateWatch
}

func newLife(s *Supervisor, spec *Spec, ctx context.Context, parent *run) *life {
	l := &life{
		sup:        s,
		spec:       spec,
		parent:     parent,
		path:       "/" + spec.name(),
		base:       context.WithoutCancel(ctx),
		began:      time.Now(),
		passPanics: spec.PassPanics,
		ordered:    rules.Ordered(spec.Strategy),
		up:         make(chan struct{}),
		over:       make(chan struct{}),
		m:          machine.New(spec.config()),
	}
	l.labels = onlyLabels(ctx)
	if spec.Around != nil {
		l.around = []around{spec.Around}
	}
	if parent == nil {
		l.shared = &l.ownShared
		l.log = s.logger(spec.Logger)
		return l
	}
	above := parent.life
	l.shared, l.path = above.shared, parent.Path()
	l.passPanics = l.passPanics || above.passPanics
	l.around = append(l.around, above.around...)
	l.log = above.log
	if spec.Logger != nil {
		l.log = s.logger(spec.Logger)
	}
	return l
}

// onlyLabels returns a context with the pprof labels of ctx and nothing else, in which
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

// now is the machine's clock. It is read under the lock, so that the machine
// sees time go forward only.
func (l *life) now() time.Duration { return time.Since(l.began) }

// enter takes the lock for an event, and returns when that is.
func (l *life) enter() (now time.Duration) {
	l.mu.Lock()
	return l.entered()
}

// entered is enter for who has the lock already.
func (l *life) entered() (now time.Duration) {
	l.subscribedKinds = l.subscribed()
	l.m.WantedKinds = machine.EventKinds(l.subscribedKinds | l.log.kinds() | l.failing.wanted())
	l.lastEvent.at = time.Time{}
	return l.now()
}

func (l *life) isOver() bool { return isClosed(l.over) }

// wasUp reports whether the declared children have been up, once.
func (l *life) wasUp() bool { return isClosed(l.up) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A step is one visit to the machine, and what is to be done after it.
type step struct {
	self  *run // a run that has ended on this goroutine, which another may take over
	next  *run // that other
	first task // apart, as most leave no more, and so cost no memory
	more  []task
}

// note is not inlined, for perform to have a small frame: see Ready.
//
//go:noinline
func (s *step) note(what taskKind, r *run) {
	switch {
	case s.first.what == nothing:
		s.first = task{what, r}
		return
	case s.more == nil: // where there are two there are mostly many
		s.more = make([]task, 0, 8)
	}
	s.more = append(s.more, task{what, r})
}

// noted returns the task number i; nothing if there are not so many.
func (s *step) noted(i int) task {
	switch {
	case i == 0:
		return s.first
	case i <= len(s.more):
		return s.more[i-1]
	}
	return task{}
}

// reset makes room for what the next visit notes, when all has been done.
func (s *step) reset() { s.first, s.more = task{}, s.more[:0] }

// A task is done after the lock was released. It names its run, so that being
// late does no harm. The cause of a run that was asked to stop does not change any
// more, so it is read without the lock.
type task struct {
	what taskKind
	run  *run
}

type taskKind uint8

const (
	nothing taskKind = iota
	cancelRun
	beginRun
	endGrace
	cancelNested
	abandonNested
	retryNow
	continueBatch // has no run
)

// do visits the machine with an event.
func (l *life) do(event func(now time.Duration)) {
	event(l.enter())
	l.leave()
}

// leave carries out what the machine has answered to an event, and releases the lock.
func (l *life) leave() { l.leaveFor(nil) }

// leaveFor does the same for a run that has ended on this goroutine. It returns the
// run, if any, that is to go on here.
func (l *life) leaveFor(ended *run) (next *run) {
	s := step{self: ended}
	l.perform(&s)
	l.unlock()
	l.runTasks(&s)
	return s.next
}

// unlock ends a visit to the machine. It lets go of the stacks, unless more are to be
// abandoned at the next visit.
func (l *life) unlock() {
	if !l.m.Halting() {
		l.dump = nil
	}
	l.mu.Unlock()
}

// perform does, under the lock and in order, what neither blocks nor runs user
// code, and notes the rest.
func (l *life) perform(s *step) {
	for a := l.m.Next(); a != nil; a = l.m.Next() {
		switch a.Kind {
		case machine.Launch:
			l.launch(s, a.Child)
		case machine.Cancel:
			r := runOfChild(a.Child)
			r.ask(a.Why)
			s.note(cancelRun, r)
		case machine.Arm:
			if r := runOfChild(a.Child); a.Timer == machine.RetryTimer && a.Wait == 0 {
				s.note(retryNow, r)
			} else {
				r.arm(a.Timer, a.Wait)
			}
		case machine.Disarm:
			l.timers.disarm(runOfChild(a.Child))
		case machine.NextBackoff:
			l.nextBackoff(a.Child, a.Reset)
		case machine.Abandon:
			r := runOfChild(a.Child)
			if r.abandon(); r.rare.grace != nil {
				s.note(endGrace, r)
			}
		case machine.CancelAll:
			s.note(cancelNested, runOfChild(a.Child))
		case machine.AbandonAll:
			s.note(abandonNested, runOfChild(a.Child))
		case machine.Continue:
			s.note(continueBatch, nil)
		case machine.Report:
			l.report(runOfChild(a.Child), a.Err)
		case machine.Inform:
			a.Waiter.Who.(*call).hears(&runOfChild(a.Child).rareFields().wrong, a.Start)
		case machine.Answer:
			l.answer(a)
		case machine.Publish:
			l.publishAction(a)
		case machine.IsUp:
			close(l.up)
			l.logPhase(phaseUp)
		case machine.IsClosing:
			l.stopping = l.m.Now()
			l.limitStop()
			l.logAllHeld()
			l.logPhase(phaseStopping)
			l.fates.wakeAll()
		case machine.IsOver:
			l.end()
			l.fates.wakeAll()
		case machine.Rested:
			l.fates.wake(a.Child.Name())
		}
	}
}

// runTasks does what perform has noted, in order, the beginning of runs included. A
// retry without a pause is an event of its own, and so is each stretch of a crew, so
// it comes back to the lock here: a loop, never a recursion.
func (l *life) runTasks(s *step) {
	for i := 0; ; i++ {
		switch t := s.noted(i); t.what {
		case nothing:
			return
		case beginRun:
			t.run.begin()
		case cancelRun:
			t.run.cancel(t.run.cause)
		case endGrace:
			t.run.endGrace()
		case cancelNested:
			if nested := t.run.nestedLife(); nested != nil {
				nested.cancelAll(t.run.cause)
			}
		case abandonNested:
			if nested := t.run.nestedLife(); nested != nil {
				nested.abandonAll(t.run.cause)
			}
		case retryNow:
			now := l.enter()
			l.m.Timer(t.run.child, t.run.number(), machine.RetryTimer, now)
			l.perform(s)
			l.unlock()
		case continueBatch:
			if s.noted(i+1).what == nothing { // as it mostly is
				s.reset()
				i = -1
			}
			l.m.Continue(l.enter())
			l.perform(s)
			l.unlock()
		}
	}
}

// cause is what context.Cause tells a run that is being stopped.
func (l *life) cause(why machine.Why) error {
	switch why {
	case machine.WhyRemoved:
		return child.ErrRemoved
	case machine.WhySibling:
		return child.ErrSibling
	case machine.WhyTimeout:
		return child.ErrStartTimeout
	case machine.WhyHung:
		return child.ErrHung
	case machine.WhyStopped:
		return child.ErrStopped
	}
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

// boot starts the declared children.
func (l *life) boot() {
	l.do(func(now time.Duration) {
		l.m.Boot(l.spec.Children, now)
		l.fates.wakeAll() // who had to wait to see which children there are
	})
}

// close begins the end, for the given cause. The first cause stands.
func (l *life) close(cause error) { l.stopBy(cause, func(now time.Duration) { l.m.Close(now) }) }

// cancelAll asks all that are left to stop, at once.
func (l *life) cancelAll(cause error) {
	l.stopBy(cause, func(now time.Duration) { l.m.CancelAll(now) })
}

// abandonAll abandons all that are left.
func (l *life) abandonAll(cause error) {
	stacks := l.beforeAbandoning(lateFor(time.Now(), l.stopsSince()))
	l.stopBy(cause, func(now time.Duration) {
		l.dump, l.abandonedAll = stacks, true
		l.m.AbandonAll(now)
	})
}

// stopsSince returns how long the stop has taken so far.
func (l *life) stopsSince() time.Duration {
	l.mu.Lock()
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

// end closes the life. It is called once, under the lock, when nothing runs.
func (l *life) end() {
	l.budget.end()
	l.timers.end()
	if l.parent == nil {
		l.shared.dumps.end()
	}
	l.err = and(l.reason(), l.stopErr())
	l.logPhase(phaseStopped)
	close(l.over)
}

// reason is the error that the end of the life is, apart from who was left.
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
