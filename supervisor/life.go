package supervisor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/verdict"
)

// A life is one run of a supervisor, from its start to its end. It carries out
// what the machine decides. It has no goroutine of its own: whoever brings news
// (a child that returned, a timer, a caller) takes the lock, steps the machine,
// does under the lock and in order what neither blocks nor runs user code
// (perform), releases the lock and does the rest (settle).
//
// News goes to the life that it comes from, so that none reaches the next life
// of the same supervisor. Locks of two lives are never held together. A life's
// lock comes before that of its tree and those of subscriptions.
type life struct {
	sup        *Supervisor
	parent     *run // the run that the supervisor is the inside of; nil at the root
	tree       *tree
	own        tree // of a root: that is its tree
	path       string
	base       context.Context // what the contexts of runs are made of: values only
	began      time.Time
	passPanics bool
	around     []around // the outermost last
	log        *logger

	up    chan struct{}        // closed when the declared children are up
	over  chan struct{}        // closed when nothing runs
	err   error                // how it ended; set before over is closed
	spare atomic.Pointer[call] // to be used again; nil: there is none

	mu      sync.Mutex
	m       *machine.Machine
	closing error  // the cause given to close
	dump    []byte // the stacks of all goroutines, while a step may abandon some
	timers  deadlines
	told    struct { // of the latest event that was published
		path string
		at   time.Time // zero: of none in this visit to the machine
	}
	budget [2]*time.Timer // for the whole stop: to hasten, to halt
}

func newLife(s *Supervisor, ctx context.Context, parent *run) *life {
	spec := s.spec()
	l := &life{
		sup:        s,
		parent:     parent,
		path:       "/" + spec.name(),
		base:       context.WithoutCancel(ctx),
		began:      time.Now(),
		passPanics: spec.PassPanics,
		up:         make(chan struct{}),
		over:       make(chan struct{}),
		m:          machine.New(spec.config()),
	}
	if spec.Around != nil {
		l.around = []around{spec.Around}
	}
	if parent == nil {
		l.tree = &l.own
		l.log = newLogger(spec.Logger)
		return l
	}
	above := parent.life
	l.tree, l.path = above.tree, parent.Path()
	l.passPanics = l.passPanics || above.passPanics
	l.around = append(l.around, above.around...)
	l.log = above.log
	if spec.Logger != nil {
		l.log = newLogger(spec.Logger)
	}
	return l
}

// now is the machine's clock. It is read under the lock, so that the machine
// sees time go forward only.
func (l *life) now() time.Duration { return time.Since(l.began) }

// enter takes the lock for an event, and returns when that is.
func (l *life) enter() (now time.Duration) {
	l.mu.Lock()
	l.m.Wanted = machine.Notes(l.wanted())
	l.told.at = time.Time{}
	return l.now()
}

// ordered reports whether children start and stop one after another. Upgrade
// cannot change that.
func (l *life) ordered() bool { return l.sup.spec().Strategy.Ordered() }

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

// A step is one visit to the machine, and what it leaves to be done.
type step struct {
	self *run    // a run that has ended on this goroutine, which another may take over
	next *run    // that other
	some [2]task // as much as most leave, so that they cost no memory
	more []task
	n    int // of both
}

func (s *step) leave(t task) {
	if s.n < len(s.some) {
		s.some[s.n] = t
	} else {
		s.more = append(s.more, t)
	}
	s.n++
}

// reset makes room for what the next visit leaves, when all has been done.
func (s *step) reset() { s.n, s.more = 0, s.more[:0] }

func (s *step) left(i int) task {
	if i < len(s.some) {
		return s.some[i]
	}
	return s.more[i-len(s.some)]
}

// A task is done after the lock was released. It names its run, so that being
// late does no harm. The cause of a run that was asked to stop does not change any
// more, so it is read without the lock.
type task struct {
	what taskKind
	run  *run
}

type taskKind uint8

const (
	cancelRun taskKind = iota
	endGrace
	hastenNested
	haltNested
	retryNow
	goOn // has no run
)

// do visits the machine with an event.
func (l *life) do(event func(now time.Duration) []machine.Action) {
	var s step
	now := l.enter()
	l.perform(&s, event(now))
	l.mu.Unlock()
	l.settle(&s)
}

// perform does, under the lock and in order, what neither blocks nor runs user
// code, and notes the rest.
func (l *life) perform(s *step, acts []machine.Action) {
	for i := range acts {
		a := &acts[i]
		switch a.Kind {
		case machine.Launch:
			r := newRun(l, a.Child)
			if s.self != nil && s.self.child == a.Child && s.next == nil {
				s.next = r
			} else {
				go r.loop()
			}
		case machine.Cancel:
			r := runOfChild(a.Child)
			r.cause, r.stopped = l.cause(a.Why), l.m.Now()
			r.asked.Store(true)
			r.limitGrace()
			s.leave(task{cancelRun, r})
		case machine.Arm:
			r := runOfChild(a.Child)
			switch {
			case a.Timer == machine.RetryTimer && a.Wait == 0:
				s.leave(task{retryNow, r})
			case a.Timer == machine.RetryTimer:
				r.alarm(a.Timer, a.Wait)
			case a.Timer == machine.BeatTimer:
				r.beat.Store(int64(l.m.Now()))
				r.alarm(a.Timer, a.Wait)
			default:
				l.timers.arm(l, r, a.Timer, a.Wait)
			}
		case machine.Disarm:
			l.timers.disarm(runOfChild(a.Child))
		case machine.Ask:
			r := runOfChild(a.Child)
			f := r.get()
			if f.pause == nil {
				f.pause = &pause{make: a.Child.Spec.Backoff}
				if f.pause.make == nil {
					f.pause.make = l.sup.spec().Backoff
				}
			}
			go l.ask(a.Child, f.pause, a.Reset)
		case machine.Abandon:
			r := runOfChild(a.Child)
			l.tree.abandon(r, l.m.Now()-r.stopped, l.dump)
			s.leave(task{endGrace, r})
		case machine.Hasten, machine.Halt:
			r := runOfChild(a.Child)
			what := hastenNested
			if a.Kind == machine.Halt {
				what = haltNested
			}
			s.leave(task{what, r})
		case machine.GoOn:
			s.leave(task{what: goOn})
		case machine.Answer:
			a.Waiter.Who.(*call).answer(l.answer(a))
		case machine.Tell:
			l.tell(a)
		case machine.IsUp:
			close(l.up)
		case machine.IsClosing:
			l.limitStop()
		case machine.IsOver:
			l.end()
		}
	}
	l.m.Done()
}

// settle does what perform has noted. A retry without a pause is an event of
// its own, and so is each stretch of a crew, so it comes back to the lock here: a
// loop, never a recursion.
func (l *life) settle(s *step) {
	for i := 0; i < s.n; i++ {
		switch t := s.left(i); t.what {
		case cancelRun:
			t.run.cancel(t.run.cause)
		case endGrace:
			t.run.endGrace()
		case hastenNested:
			if nested := t.run.inside(); nested != nil {
				nested.hasten(t.run.cause)
			}
		case haltNested:
			if nested := t.run.inside(); nested != nil {
				nested.halt(t.run.cause)
			}
		case retryNow:
			now := l.enter()
			l.perform(s, l.m.Timer(t.run.child, t.run.number, machine.RetryTimer, now))
			l.mu.Unlock()
		case goOn:
			if i == s.n-1 { // as it mostly is
				s.reset()
				i = -1
			}
			now := l.enter()
			l.perform(s, l.m.More(now))
			l.mu.Unlock()
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
		return &verdict.Because{Kind: child.ErrGaveUp, Reason: end.Err}
	}
}

// boot starts the declared children.
func (l *life) boot() {
	l.do(func(now time.Duration) []machine.Action { return l.m.Boot(l.sup.spec().Children, now) })
}

// close begins the end, for the given cause. The first cause stands.
func (l *life) close(cause error) { l.stopBy(cause, l.m.Close) }

// hasten asks all that are left to stop, at once.
func (l *life) hasten(cause error) { l.stopBy(cause, l.m.Hasten) }

// halt abandons all that are left.
func (l *life) halt(cause error) {
	dump := allStacks()
	l.stopBy(cause, func(now time.Duration) []machine.Action {
		l.dump = dump
		return l.m.Halt(now)
	})
	l.mu.Lock()
	l.dump = nil
	l.mu.Unlock()
}

func (l *life) stopBy(cause error, event func(time.Duration) []machine.Action) {
	l.do(func(now time.Duration) []machine.Action {
		if l.closing == nil {
			l.closing = cause
		}
		return event(now)
	})
}

// limitStop sets the timers for the whole stop.
func (l *life) limitStop() {
	limit := l.sup.spec().StopTimeout
	if limit == 0 || limit == child.Forever {
		return
	}
	l.budget[0] = time.AfterFunc(mostOf(limit), func() { l.hasten(nil) })
	l.budget[1] = time.AfterFunc(limit, func() { l.halt(nil) })
}

// mostOf is nine tenths of a timeout: the rest is for closing by force.
func mostOf(d time.Duration) time.Duration { return d - d/10 }

// end closes the life. It is called once, under the lock, when nothing runs.
func (l *life) end() {
	for _, timer := range l.budget {
		if timer != nil {
			timer.Stop()
		}
	}
	l.timers.end()
	left := l.stopErr()
	if stop, ok := left.(*StopError); ok {
		stop.auto = l.m.End().Kind == machine.EndAuto
	}
	l.err = and(l.reason(), left)
	close(l.over)
}

// reason is the error that the end of the life is, apart from who was left.
func (l *life) reason() error {
	switch end := l.m.End(); {
	case end.Kind.GaveUp():
		return l.gaveUp(end)
	case end.Kind == machine.EndStart:
		return &ChildError{Path: l.pathOf(end.Child), Err: end.Err}
	case end.Kind == machine.EndAuto && end.Err != nil:
		return &ChildError{Path: l.pathOf(end.Child), Err: end.Err, auto: true}
	}
	return nil
}

func (l *life) gaveUp(end machine.End) *GaveUpError {
	e := &GaveUpError{Path: l.path, Child: l.pathOf(end.Child), Err: end.Err}
	switch end.Kind {
	case machine.EndIntensity:
		e.Limit = l.m.Intensity()
		e.Reason = "more than " + e.Limit.Restarts()
	case machine.EndBackoff:
		e.Reason = "backoff gave up"
	default:
		e.Reason = "escalated"
	}
	return e
}

func (l *life) pathOf(c *machine.Child) string { return l.path + "/" + c.Name() }

// owns reports whether ctx belongs to a run of this supervisor or of one below.
func (l *life) owns(ctx context.Context) bool {
	for r := runOf(ctx); r != nil; r = r.life.parent {
		if r.life == l {
			return true
		}
	}
	return false
}

// link makes nested the supervisor inside the run r.
func (l *life) link(r *run, nested *life) error {
	var s step
	now := l.enter()
	var err error
	switch {
	case r.hasReturned():
		err = &ChildError{Path: nested.path, Err: ErrNotRunning}
	case r.has().nested != nil:
		err = &ChildError{Path: nested.path, Err: errTwoInside}
	default:
		f := r.get()
		f.nested, f.super = nested, nested.sup
		l.perform(&s, l.m.Linked(r.child, r.number, now))
	}
	stopped := r.cause
	l.mu.Unlock()
	l.settle(&s)
	if err == nil && stopped != nil { // too late for hasten and halt to reach it
		nested.close(stopped)
	}
	return err
}

// errTwoInside: paths below the child would not be clear.
var errTwoInside error = &verdict.Because{Kind: ErrNested, Reason: errors.New("this child runs another supervisor already: give each a child of its own")}

// unlink ends what link began.
func (l *life) unlink(r *run) {
	var s step
	now := l.enter()
	r.get().nested = nil
	l.perform(&s, l.m.Unlinked(r.child, r.number, now))
	if r.cause != nil { // what is left of the run has its stop timeout for itself
		r.stopped = l.m.Now()
		r.limitGrace()
	}
	l.mu.Unlock()
	l.settle(&s)
}
