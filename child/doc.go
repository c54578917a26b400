// Package child says what a child of a supervisor is: its [Spec], the [Context]
// that its Run is given, when it is restarted, how long the pauses are, what its
// errors mean. It needs no supervisor: a Run can be written and tested with this
// package alone.
//
//	func (l *Listener) Run(ctx child.Context) error {
//		ln, err := net.Listen("tcp", l.Addr)  // set up
//		if err != nil {
//			return err                        // the start has failed
//		}
//		defer ln.Close()                      // tear down, beside it
//		if err := ctx.Ready(); err != nil {   // tell the supervisor: I am up
//			return err
//		}
//		return l.accept(ctx, ln)              // work, until ctx is done
//	}
//
// # The contract
//
//   - Set up, call ctx.Ready, work until ctx is done, clean up, return. Every
//     start calls Run anew.
//   - If ctx.Ready returns an error, return it at once.
//   - Heed ctx: Go cannot kill a goroutine. A run that does not return within its
//     stop timeout is abandoned and reported.
//   - Return nil for a normal end and an error for a failure. What is returned
//     after ctx has ended is no failure, but an error is reported: return nil or
//     ctx.Err() from a clean stop.
//   - Panics and runtime.Goexit are failures, on the goroutine of Run alone. Give
//     the goroutines that you start the context of the run, and wait for them;
//     [Recovered] makes their panics failures of yours.
//   - Clean up within ctx.Grace, which outlives ctx.
//   - Lock an OS thread that will never be unlocked on a goroutine of its own, not on
//     that of Run. A restart may run on the same goroutine and would get that thread. To
//     find that out costs more than a restart.
//   - Do not call log.Fatal or os.Exit: they end the process without stopping the other
//     children. Return [Escalate].
//
// # What to use when
//
//   - A function that has nothing to set up: [Plain].
//   - Work that comes to an end, and the next child is to wait for: [Task].
//   - Something to hand to siblings, new after each restart: a [Ref].
//   - A wait in a loop: [Sleep]. A name for a dynamic child: [UniqueName].
//   - Pauses between restarts: [Exponential], [Constant], [Backoff.Retries], or
//     any policy of github.com/cenkalti/backoff.
//   - To say more than "failed": [ErrIgnore], [ErrDone], [ErrShutdown], [Escalate];
//     to say it of errors that are not yours: Spec.Decide.
//   - Why was I stopped? context.Cause(ctx): [ErrStopped] and its neighbours.
//
// Package supervisor has the manual, and runnable examples for each field of Spec.
package child
