package supervisor

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/runkey"
)

// A Supervisor starts, watches, restarts and stops children. Make one with New.
// All methods may be called from any goroutine, also from children and
// subscribers.
//
// A supervisor is the root of a tree if it is run by Serve or Start, and nested
// if Run is the Run of another supervisor's child. After it has ended it can be
// run again; every time it starts from its Spec, as in OTP: children that were
// added meanwhile are gone.
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
// The ways:
//
//	from      to        when
//	New       Starting  Serve, Start, or Run as a child
//	Starting  Up        every declared child has been ready, or is not to run
//	Starting  Stopping  Stop, the end of its context, a child that cannot start, giving up
//	Up        Stopping  Stop, the end of its context, giving up, AutoShutdown
//	Stopping  Over      nothing runs any more
//	Over      Starting  Serve, Start, or Run as a child, again
//
// What a call does in each of them; "waits" is for children, or for the end:
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
//	Health        ErrNotRunning  ErrNotReady        nil                ErrNotReady        ErrNotRunning
//	Tree's State  stopped        starting           running            stopping           stopped
type Supervisor struct {
	declared atomic.Pointer[declaration]

	subs subscriptions
	log  atomic.Pointer[logger] // that was used last; nil: none was

	mu   sync.Mutex           // held while life is replaced
	life atomic.Pointer[life] // the current one, or the last; nil before the first
}

// New makes a supervisor. It cannot fail: a fault of the spec is the error of
// Serve, Start, Run and StartChild, before any child of it has run.
func New(spec Spec) *Supervisor {
	spec.Children = append([]child.Spec(nil), spec.Children...)
	s := new(Supervisor)
	s.declared.Store(&declaration{spec, spec.Validate()})
	return s
}

// A declaration is a spec and what Validate says of it. It is never changed,
// Upgrade replaces it.
type declaration struct {
	spec  Spec
	fault error
}

func (s *Supervisor) spec() *Spec  { return &s.declared.Load().spec }
func (s *Supervisor) fault() error { return s.declared.Load().fault }

// FromContext returns the supervisor of the child that ctx belongs to: in a
// child's Run, and wherever a context derived from the child's goes. Outside of
// any it reports false.
func FromContext(ctx context.Context) (*Supervisor, bool) {
	r := runOf(ctx)
	if r == nil {
		return nil, false
	}
	return r.life.sup, true
}

// runOf returns the run that ctx belongs to, or nil.
func runOf(ctx context.Context) *run {
	if ctx == nil {
		return nil
	}
	r, _ := ctx.Value(runkey.Key{}).(*run)
	return r
}

// Path returns where the supervisor stands in its tree, as /shop/jobs. Before
// its first start it is a slash and its name; after its end it is what it was.
func (s *Supervisor) Path() string {
	if l := s.latest(); l != nil {
		return l.path
	}
	return "/" + s.spec().name()
}

// Root returns the root of the tree that the supervisor runs in, itself if it
// has no parent.
func (s *Supervisor) Root() *Supervisor {
	for {
		l := s.latest()
		if l == nil || l.parent == nil || l.isOver() {
			return s
		}
		s = l.parent.life.sup
	}
}

// latest returns the current life, or the last, or nil.
func (s *Supervisor) latest() *life { return s.life.Load() }

// running returns the current life, or an error if there is none.
func (s *Supervisor) running() (*life, error) {
	if l := s.latest(); l != nil && !l.isOver() {
		return l, nil
	}
	return nil, &ChildError{Path: s.Path(), Err: ErrNotRunning}
}
