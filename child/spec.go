package child

import (
	"math"
	"time"
)

// A Spec declares a child: how to run it, when to restart it, how long its
// start and stop may take. Only Name and Run are required. A Spec is a value;
// a supervisor keeps a copy, and the same Spec may be given to several.
type Spec struct {
	// Name of the child, unique among its siblings. It is UTF-8 without slashes,
	// control characters, invisible format characters and line separators.
	// UniqueName makes one.
	Name string

	// Run is the child. It sets up, calls ctx.Ready, works until ctx is done,
	// cleans up and returns. Every start calls it anew.
	//
	// Nil is a normal end, an error a failure. A panic is a failure with a
	// PanicError, runtime.Goexit one with ErrGoexit. ErrIgnore, ErrShutdown, ErrDone
	// and Escalate say more.
	//
	// Whatever it returns while it is being stopped is no failure and leads to no
	// restart. But an error is reported: in the log, in Status.LastError, and in
	// supervisor.StopError, which says what is harmless. Return nil, ctx.Err() or
	// context.Cause(ctx) from a clean stop.
	//
	// A restart may run on the goroutine of the run before. A Run that calls
	// runtime.LockOSThread and never unlocks must do so on a goroutine of its own:
	// else the next run gets the same thread, with all that was changed in it. To find
	// that out before each run would cost more than a restart. Pprof labels are not
	// carried over: each run starts with those of the root's context, and what an
	// Around of a supervisor further up has added.
	//
	// log.Fatal and os.Exit in it end the process without stopping its siblings.
	// Return Escalate(err) instead.
	Run func(Context) error

	// Restart says when an end leads to a restart. Zero is Permanent: always, also
	// after nil and under an Independent supervisor. Jobs and connections are
	// Temporary or Transient.
	Restart Restart

	// Significant children end the supervisor by ending, where its
	// AutoShutdown says so. They cannot be Permanent.
	Significant bool

	// StartTimeout is how long a start may take, from the call of Run to Ready.
	// Then the run is stopped, with the cause ErrStartTimeout, and the start has
	// failed. Zero is no limit; an event reports a start that takes longer than 10 s.
	//
	// When the process was suspended, or the machine stood still, a timer comes late.
	// Then the child gets one more period, once. StopTimeout and Heartbeat do the same.
	StartTimeout time.Duration

	// StopTimeout is how long a stop may take, from the end of the context to
	// the return of Run. Then the run is abandoned: Go cannot kill a goroutine, so
	// it is reported with its stack and left to itself, and nothing it does later
	// counts. Zero is 5 s, and no limit while a supervisor runs in the child.
	// Forever waits for ever; use it where an abandoned run would still hold
	// something that its successor needs. AtOnce does not wait at all.
	//
	// 5 s is less than the 30 s that a Kubernetes pod has by default. A child that
	// drains connections needs more, and supervisor.Spec.StopTimeout keeps the sum of
	// all within what the pod has.
	//
	// A supervisor in the child is not abandoned itself: when nine tenths are over
	// all that are left in it are asked at once, and at the end those that have not
	// returned are abandoned.
	StopTimeout time.Duration

	// RetryStart makes a first start that fails be retried like a failed restart,
	// while whoever asked for the start waits on: "the database is not up yet".
	// Without it, and in OTP, a first start that fails is an error.
	RetryStart bool

	// Backoff is the pause before a restart, and decides when there have been too
	// many: the supervisor's Intensity does not count them. Nil takes the
	// supervisor's Backoff; if that is nil too, the child is restarted at once, and
	// Intensity counts.
	Backoff Backoff

	// ResetAfter is how long a run must have been ready, all in all, for the backoff
	// to begin again from the start. Time that it spent Unready does not count, nor
	// does that of other runs. Zero is 1 minute.
	ResetAfter time.Duration

	// Heartbeat, if positive, is the longest time that a ready child may let pass
	// without ctx.Heartbeat. Then it is taken for hung: stopped with the cause
	// ErrHung, and restarted as after a failure. After a suspension of the process it
	// has one more period, as StartTimeout says. Zero is no watchdog.
	Heartbeat time.Duration

	// Decide receives what a run ended with (nil, an error, a *PanicError, ErrGoexit)
	// and returns what it counts as. Nil means that it counts as what it is.
	//
	// Of a run that was being stopped it receives only what is not nil. Its answer is
	// what is reported then, and cannot cause a restart: to return nil for an error
	// says that it is harmless. A panic or Goexit in Decide is a failure. It must not
	// block.
	Decide func(error) error
}

const (
	// DefaultStopTimeout is the StopTimeout of a child that sets none.
	DefaultStopTimeout = 5 * time.Second
	// DefaultResetAfter is the ResetAfter of a child that sets none.
	DefaultResetAfter = time.Minute

	// Forever as a StopTimeout: wait until Run returns, however long.
	Forever time.Duration = math.MaxInt64
	// AtOnce as a StopTimeout: cancel the context and abandon the run without
	// waiting. StopError does not list such a run. OTP's brutal_kill.
	AtOnce time.Duration = -1
)
