package supervisor

import (
	"context"
	"sync/atomic"

	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/internal/runkey"
)

// A Supervisor starts, watches, restarts and stops children. Create one with New. All
// methods may be called from any goroutine, including those of children and subscribers.
//
// A supervisor is the root of a tree if Serve or Start runs it, and nested if its Run is
// the Run of another supervisor's child. After it has ended it can be run again. Each run
// starts from its Spec, as in OTP: children that were added with StartChild are gone.
//
//	        started          all ready
//	New -------------> Starting --------> Up
//	                   ^      |           |
//	     started again |      | its end   | its end
//	                   |      v           |
//	                   |   Stopping <-----+
//	                   |      |
//	                   |      | nothing runs
//	                   |      v
//	                   +---- Over
//
// Transitions:
//
//	from      to        when
//	New       Starting  Serve, Start, or Run as a child
//	Starting  Up        every declared child has been ready, or will not run
//	Starting  Stopping  Stop, the end of its context, a child that cannot start, giving up
//	Up        Stopping  Stop, the end of its context, giving up, AutoShutdown
//	Stopping  Over      nothing runs any more
//	Over      Starting  Serve, Start, or Run as a child, again
//
// A root with a Spec.Drain stays Up for that long after Stop or the end of its context.
//
// Results of calls in each state ("waits" means that the call waits for children, or for
// the end). In state Over, Stop and Wait return nil only if nothing went wrong. While a
// supervisor runs in a child, its Serve, Start and Stop return ErrNested.
//
//	call          New            Starting           Up                 Stopping           Over
//	Serve         waits          ErrAlreadyStarted  ErrAlreadyStarted  ErrAlreadyStarted  waits
//	Start         waits          ErrAlreadyStarted  ErrAlreadyStarted  ErrAlreadyStarted  waits
//	Stop          nil            waits              waits              waits              nil
//	Wait          ErrNotRunning  waits              waits              waits              nil
//	StartChild    ErrNotRunning  waits              waits              ErrNotRunning      ErrNotRunning
//	StopChild     ErrNotRunning  waits              waits              ErrNotRunning      ErrNotRunning
//	RestartChild  ErrNotRunning  waits              waits              ErrNotRunning      ErrNotRunning
//	RemoveChild   ErrNotRunning  waits              waits              ErrNotRunning      ErrNotRunning
//	Upgrade       nil            nil                nil                ErrNotRunning      nil
//	Apply         nil            waits              waits              ErrNotRunning      nil
//	Health        ErrNotRunning  ErrNotReady        nil                ErrNotReady        ErrNotRunning
//	Tree's State  stopped        starting           running            stopping           stopped
type Supervisor struct {
	declared atomic.Pointer[declaration]
	first    declaration // that of New: here, to be one object with the supervisor

	subs     subscriptions
	log      atomic.Pointer[logger] // the one used last
	firstLog logger                 // that of the logger which New saw

	applies atomic.Pointer[chan struct{}] // full while an Apply is in progress; nil before the first

	life atomic.Pointer[life] // the current one, or the last one; nil before the first start
}

// New returns a supervisor that is declared by spec. It never fails: Serve, Start, Run
// and StartChild return the problems of the spec, before any of its children runs.
func New(spec Spec) *Supervisor {
	spec.Children = copies(spec.Children)
	s := &Supervisor{first: declaration{spec: spec}}
	s.first.links, s.first.fault = spec.check("/" + spec.name())
	s.declared.Store(&s.first)
	s.firstLog.to = toLog(&spec)
	s.log.Store(&s.firstLog)
	return s
}

// A declaration is a spec and what New has found out about it. It is immutable; Upgrade
// and Apply replace it.
type declaration struct {
	spec  Spec
	fault error       // of Validate
	links rules.Links // the edges of the children; nil if Boot is to look for them
}

// Spec returns the spec that the next start will use: that of New, or of the latest Upgrade or
// Apply.
func (s *Supervisor) Spec() Spec {
	spec := *s.declaredSpec()
	spec.Children = copies(spec.Children)
	return spec
}

func (s *Supervisor) declaredSpec() *Spec { return &s.declared.Load().spec }
func (s *Supervisor) fault() error        { return s.declared.Load().fault }

// FromContext returns the supervisor of the child that ctx belongs to. ctx is the context
// of the child's Run or derived from it. For any other context FromContext reports false.
func FromContext(ctx context.Context) (*Supervisor, bool) {
	r := runOf(ctx)
	if r == nil {
		return nil, false
	}
	return r.life.sup, true
}

// RunNumber returns the number of the run that ctx belongs to, as in child.Status.Run. It is
// zero if ctx does not belong to a run, or if its child has another run by now.
func RunNumber(ctx context.Context) uint64 {
	r := runOf(ctx)
	if r == nil {
		return 0
	}
	r.life.lock()
	defer r.life.mu.Unlock()
	return r.number()
}

// runOf returns the run that ctx belongs to, or nil.
func runOf(ctx context.Context) *run {
	if ctx == nil {
		return nil
	}
	r, _ := ctx.Value(runkey.Key{}).(*run)
	return r
}

// Path returns the path of the supervisor in its tree, such as /shop/jobs. Before the
// first start it is a slash and the supervisor's name. After the supervisor has ended it
// is the path of the last run.
func (s *Supervisor) Path() string {
	if l := s.latest(); l != nil {
		return l.path
	}
	return "/" + s.declaredSpec().name()
}

// Root returns the root of the tree that the supervisor runs in. It returns s itself if s
// has no parent or is not running.
func (s *Supervisor) Root() *Supervisor {
	for {
		l := s.latest()
		if l == nil || l.parent == nil || l.isOver() {
			return s
		}
		s = l.parent.life.sup
	}
}

// latest returns the current life, or the last one if the supervisor is not running, or
// nil before the first start.
func (s *Supervisor) latest() *life { return s.life.Load() }

// running returns the current life, or ErrNotRunning with the path.
func (s *Supervisor) running() (*life, error) {
	if l := s.latest(); l != nil && !l.isOver() {
		return l, nil
	}
	return nil, &ChildError{Path: s.Path(), Err: ErrNotRunning}
}
