package child

import (
	"math"
	"time"
)

// A Spec declares a child: how to run it, when to restart it, and how long its
// start and stop may take. Only Name and Run are required; the zero value of every
// other field is its default. A Spec is a value: a supervisor keeps a copy, and the
// same Spec may be given to several supervisors.
type Spec struct {
	// Name is the name of the child, unique among its siblings. It must be UTF-8
	// without slashes, control characters, invisible format characters and line
	// separators. UniqueName and NameOf make names for dynamic children.
	Name string

	// Run is the code of the child. It sets up, calls ctx.Ready, works until ctx is
	// done, cleans up and returns. Every start and every restart calls it again.
	//
	// Returning nil is a normal end, an error is a failure. A panic is a failure with
	// a *PanicError, runtime.Goexit is a failure with ErrGoexit. To be more specific,
	// return ErrIgnore, ErrShutdown, ErrDone or Escalate(err).
	//
	// What Run returns while it is being stopped is not a failure and causes no
	// restart. But an error is reported: in the log, in Status.LastError, and in
	// supervisor.StopError, whose documentation lists the errors that are harmless.
	// Return nil, ctx.Err() or context.Cause(ctx) from a clean stop.
	//
	// A restart may reuse the goroutine of the previous run. A Run that calls
	// runtime.LockOSThread and never unlocks must do so on a separate goroutine.
	// Otherwise the next run gets the same thread, with all changes made to it. Checking
	// for that before each run would cost more than a restart. Pprof labels are not
	// carried over: each run starts with those of the root's context, plus those that
	// the Around of a supervisor further up has added.
	//
	// Run must not call log.Fatal or os.Exit: they end the process without stopping
	// the siblings. Return Escalate(err) instead.
	Run func(Context) error

	// Restart determines when the child is restarted after it has ended by itself. The
	// default, Permanent, restarts it always, also after nil and under an Independent
	// supervisor. Declare jobs and connections as Temporary or Transient.
	Restart Restart

	// Significant lets the end of this child end its supervisor, if the supervisor has
	// an AutoShutdown. A significant child cannot be Permanent.
	Significant bool

	// RetryStart retries a first start that fails, as if it were a failed restart: for
	// "the database is not up yet". The call that requested the start keeps waiting,
	// and so do the children declared after this one. If they should start meanwhile,
	// call ctx.Ready first and ctx.Unready until the database is there.
	// By default, as in OTP, a first start that fails is an error of that call.
	RetryStart bool

	// Version stands for everything that Run and the other functions of the spec depend on,
	// such as a hash of the child's part of the configuration. Supervisor.Apply replaces a
	// child if its Version differs from the desired one, and requires that there is one.
	// Nothing else uses it. It should not contain a secret.
	Version string

	// StartTimeout limits the time from the call of Run to ctx.Ready. If it passes,
	// the run is stopped with the cause ErrStartTimeout, and the start has failed.
	// Zero means no limit; a start that takes longer than 10 s emits an event of kind
	// EventSlowStart.
	//
	// If the process was suspended or the machine stalled, a timer fires late. Then the
	// child gets one more period, once. The same holds for StopTimeout and Heartbeat.
	StartTimeout time.Duration

	// StopTimeout limits the time from the cancellation of the context to the return
	// of Run. If it passes, the run is abandoned, because Go cannot kill a goroutine:
	// it is reported with its stack and keeps running, but nothing it does later has
	// an effect. Zero means 5 s, or no limit if a supervisor runs in the child.
	// Forever waits until Run returns; use it where an abandoned run would still
	// hold something that its successor needs. AtOnce does not wait at all.
	//
	// 5 s is less than the 30 s that a Kubernetes pod has by default. A child that
	// drains connections needs more; supervisor.Spec.StopTimeout keeps the sum of all
	// children within the time of the pod.
	//
	// A supervisor that runs in the child is not abandoned itself. After nine tenths
	// of the timeout it cancels all of its remaining children at once, and at the end
	// of the timeout it abandons those that have not returned.
	StopTimeout time.Duration

	// Backoff determines the delay before each restart, and when there have been too
	// many restarts: the supervisor's Intensity does not count those of a child with
	// a backoff. Nil means the Backoff of the supervisor. If that is nil too, the
	// child is restarted immediately, and its restarts count towards Intensity.
	Backoff Backoff

	// ResetAfter is how long a run must have been ready, in total, for the backoff to
	// start over. Time spent Unready does not count, nor does the time of other runs.
	// Zero means 1 minute.
	ResetAfter time.Duration

	// Heartbeat, if positive, is the longest time that a ready child may take without
	// calling ctx.Heartbeat. A child that exceeds it counts as hung: it is stopped with
	// the cause ErrHung and restarted as after a failure. After a suspension of the
	// process it gets one more period; see StartTimeout. Zero means no watchdog.
	Heartbeat time.Duration

	// Decide overrides what the end of a run counts as. It receives what the run ended
	// with (nil, an error, a *PanicError or ErrGoexit) and returns the error that
	// counts instead. If Decide is nil, the run's own error counts.
	//
	// For a run that was being stopped, Decide is called only with a non-nil error.
	// Its result is what is reported, and cannot cause a restart: returning nil says
	// that the error is harmless. A panic or Goexit in Decide is a failure of the
	// run. Decide must not block.
	Decide func(error) error

	// Needs names the children that this one cannot run without. Only a supervisor with
	// strategy.Graph accepts it. The child starts when all of them are ready; a child that
	// is Done or has declined to start (ErrIgnore) counts as ready, and Unready changes
	// nothing. When one of them fails or is restarted, this child is stopped first, with
	// the cause ErrSibling, and started when that one is ready again. This child starts again
	// also if it is Done or has declined: if it is a task that must run only once, name the
	// other one in After. When one of them is stopped by a call, this child is stopped first
	// and stays Stopped. Starting this child by a call starts those of them that were stopped
	// by a call.
	//
	// The names are those of siblings. A Temporary child cannot be needed, and a child
	// that is needed cannot be removed. Nil means none.
	Needs []string

	// After names children that start before this one and stop after it, if they start or
	// stop at the same time. Only a supervisor with strategy.Graph accepts it. At the
	// start of the supervisor the child waits until the first start of each of them is
	// settled: it is ready, has ended, or was stopped. When children are restarted
	// together, it waits for those of them that are starting. It is not restarted with
	// them, and does not wait for one that waits for its own backoff. A name that no
	// child has, because the child was removed or is yet to be added, is not waited for.
	// Among the children of a supervisor.Spec such a name is a fault. Nil means none.
	After []string
}

const (
	// DefaultStopTimeout is the StopTimeout of a child that sets none.
	DefaultStopTimeout = 5 * time.Second
	// DefaultResetAfter is the ResetAfter of a child that sets none.
	DefaultResetAfter = time.Minute

	// Forever as a StopTimeout waits until Run returns, however long that takes.
	Forever time.Duration = math.MaxInt64
	// AtOnce as a StopTimeout cancels the context and abandons the run without
	// waiting. A supervisor.StopError does not list such a run. It corresponds to
	// OTP's brutal_kill.
	AtOnce time.Duration = -1
)
