// Package child defines the children of a supervisor. A child is a function, its Run,
// that a supervisor runs on a goroutine and restarts when it fails. A [Spec] declares the
// child, and a [Context] is what its Run receives. The package also has the restart
// policies, the backoffs, and the errors with which a run reports how it ended.
//
// A Run needs no supervisor: it can be written and tested with this package alone.
//
//	func (l *Listener) Run(ctx child.Context) error {
//		ln, err := net.Listen("tcp", l.Addr)  // set up
//		if err != nil {
//			return err                        // the start failed
//		}
//		defer ln.Close()                      // clean up
//		if err := ctx.Ready(); err != nil {   // tell the supervisor: I am up
//			return err
//		}
//		return l.accept(ctx, ln)              // work until ctx is done
//	}
//
// # The contract
//
//   - Set up, call ctx.Ready, work until ctx is done, clean up, return. Every
//     start and every restart calls Run again.
//   - If ctx.Ready returns an error, return that error at once.
//   - Return when ctx is done: Go cannot kill a goroutine. A run that does not
//     return within its stop timeout is abandoned and reported.
//   - Return nil for a normal end and an error for a failure. An error returned
//     after ctx is done is not a failure, but it is reported. Return nil or
//     ctx.Err() from a clean stop.
//   - A panic or runtime.Goexit on the goroutine of Run is a failure of the run.
//     On other goroutines the supervisor does not see it, and a panic there crashes
//     the process. Pass ctx to the goroutines that you start, and wait for them
//     before you return. [Recovered] turns their panics into errors that Run can
//     return.
//   - Clean up with ctx.Grace: it stays valid after ctx is done, until shortly
//     before the stop timeout.
//   - To lock an OS thread and never unlock it (runtime.LockOSThread), start a
//     separate goroutine. A restart may reuse the goroutine of Run, and the next run
//     would get the locked thread. Coppice does not check for this, because the check
//     would cost more than a restart.
//   - Do not call log.Fatal or os.Exit: they end the process without stopping the
//     other children. Return [Escalate] instead.
//
// # What to use when
//
//   - A function that has nothing to set up: [Plain].
//   - A one-shot job that the next child must wait for: [Task].
//   - A value for siblings that is new after each restart, such as a connection:
//     [Ref].
//   - A value by key, for as long as its run lasts: package registry. Owners of keys:
//     package partition.
//   - Work with results: package task. Work at intervals or times: package periodic.
//   - A program of the operating system: package process. An HTTP server: package
//     httpserver.
//   - Something that runs in one process of many: package gate.
//   - A wait in a loop: [Sleep].
//   - A name for a dynamic child: [UniqueName], or [NameOf] with a key.
//   - Delays between restarts: [Exponential], [Constant], [Backoff.Retries], or any
//     policy of github.com/cenkalti/backoff.
//   - An end that is more specific than "failed": return [ErrIgnore], [ErrDone],
//     [ErrShutdown] or [Escalate]. For errors that are not yours use Spec.Decide.
//   - The reason for a stop: context.Cause(ctx) wraps [ErrStopped], [ErrRemoved],
//     [ErrSibling], [ErrGaveUp], [ErrStartTimeout] or [ErrHung].
//
// The manual is the documentation of package supervisor. It has a runnable example for
// each field of Spec.
package child
