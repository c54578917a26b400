// Package supervisor runs the long-lived goroutines of a program as a tree, as
// Erlang/OTP does: it starts them in order, waits until each is really up,
// restarts what fails, alone or with what depends on it, gives up at the right
// level, stops them in reverse order within a bound, and shows what is running.
//
// # A program
//
//	func (t *Ticker) Run(ctx child.Context) error {
//		tick := time.NewTicker(t.Every)           // set up
//		defer tick.Stop()                         // tear down, beside it
//		if err := ctx.Ready(); err != nil {       // tell the supervisor: I am up
//			return err
//		}
//		for {
//			select {
//			case <-ctx.Done():
//				return nil                        // asked to stop
//			case now := <-tick.C:
//				fmt.Println(now)
//			}
//		}
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
//		context.AfterFunc(ctx, stop)              // a second Ctrl-C kills
//
//		t := &Ticker{Every: time.Second}
//		root := supervisor.New(supervisor.Spec{
//			Name:     "clock",
//			Children: []child.Spec{{Name: "ticker", Run: t.Run}},
//		})
//		if err := root.Serve(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// A child is a function that follows a contract of a few lines: set up, call
// ctx.Ready, work until ctx is done, clean up, return. Package child has it in
// full. A supervisor is declared by a [Spec] and made by [New]; [Supervisor.Serve]
// runs it until its context ends.
//
// # Child specs
//
// Only Name and Run are required. Zero is the default everywhere; "none" and "for
// ever" have names.
//
//   - Name: unique among siblings, without a slash. It is the last part of the
//     child's path, as in /shop/jobs/job-17, which stands in every error, event
//     and log line, and which every method that takes a name takes too.
//     child.UniqueName makes one.
//   - Run: the child. Every start calls it anew. A method value (db.Run) or a
//     function; child.Plain and child.Task make one of a function that knows
//     nothing of this library.
//   - Restart: when an end by itself leads to a restart. Permanent: always; it is the
//     default, also under an Independent supervisor. Transient: after a failure.
//     Temporary: never, and the spec is forgotten.
//   - Significant: its end may end the supervisor; see AutoShutdown. Default: no.
//   - StartTimeout: from the call of Run to ctx.Ready. Default: no limit; a start
//     of more than 10 s is told by [EventSlowStart], which finds a forgotten Ready.
//   - StopTimeout: from the end of ctx to the return of Run. Default: 5 s, and no
//     limit while a supervisor runs in the child, which has the timeouts of its
//     own children. A Kubernetes pod has 30 s by default: a child that drains for
//     longer than 5 s needs a StopTimeout of its own. child.Forever waits for ever:
//     for a run that holds something its successor needs, such as a file or a port.
//     child.AtOnce does not wait.
//   - RetryStart: a first start that fails is retried like a failed restart, and
//     whoever started the tree waits on: "the database is not up yet". Default:
//     no; a first start that fails is an error, and the start of the tree fails.
//   - Backoff: the pause before a restart. Default: the supervisor's, else none.
//   - ResetAfter: how long a run must have been ready for the backoff to begin
//     again from the start. Time Unready does not count. Default: 1 minute.
//   - Heartbeat: the longest time that a ready child may let pass without
//     ctx.Heartbeat. Default: it need not call it.
//   - Decide: receives the error that a run ended with, a panic too, and returns the
//     one that counts. Of a run that was being stopped it receives what is not nil,
//     and its answer is what is reported. Default: the error counts as it is.
//
// # Strategies
//
//	OneForOne    restart the failed child alone     children that do not depend on each other
//	RestForOne   it, and those declared after it    each depends on the ones before it: db, cache, api
//	OneForAll    all                                none is of use without the others
//	Independent  it alone, and nothing in order     many children that come and go: connections, jobs
//
// The first three start children one after another in declared order, each when
// the one before is ready, and stop them in reverse order, each when the one
// behind it is gone. A group restart stops the group in reverse order, then starts
// it in order; it counts as one restart, and brings back children that were
// stopped by hand or had ended well. Temporary members are removed, also those that
// do not run.
//
// With RestForOne an API goes down whenever its database does. One that can run without
// it for a while is better off under OneForOne: it gets the connection from a child.Ref,
// and calls ctx.Unready while there is none (example RefAndUnready).
//
// An Independent supervisor starts and stops side by side, and forgets a child
// that was stopped, or has ended and is not restarted. A Permanent child, the
// default, is restarted when it returns nil too: declare connections and jobs as
// Temporary or Transient. It is OTP's simple_one_for_one, Elixir's
// DynamicSupervisor. Under the others too children can be added at any time, but
// there a slow start or stop holds up the next.
//
// # How a run ends
//
//	Run returns nil                  normal end
//	an error                         failure
//	anything while being stopped     stopped, no failure; an error is reported: see Stopping
//	panics                           failure: *child.PanicError with value and stack
//	runtime.Goexit, t.FailNow        failure: child.ErrGoexit
//	anything before ctx.Ready        start failure; child.ErrNotReady if it had no error
//	nil or ErrShutdown before Ready  of a Transient or Temporary child: a task that is done
//	child.ErrDone                    no restart, whatever Restart says; before Ready: a task that is done
//	child.ErrIgnore before Ready     not run; the start goes on
//	child.ErrShutdown                an end for which a Transient child is not restarted
//	child.Escalate(err)              the supervisor gives up at once
//	context.Canceled, not stopped    failure: it came from some other context
//
// The errors may be wrapped; of several the outermost decides.
//
// log.Fatal and os.Exit in a child end the process at once: no sibling is stopped, and no
// deferred function runs. Return child.Escalate(err) instead. The supervisor gives up at
// once and stops its children in order. At the root, Serve returns the error; a nested
// supervisor is restarted, as after any giving up.
//
// # Starting
//
// [Supervisor.Serve] blocks until the tree has ended. [Supervisor.Start] returns
// when all declared children are ready; its context bounds the start only, as that
// of a Dial. If a child cannot start, what was started is stopped in reverse order,
// and the error of the child is returned. New cannot fail: the faults of a spec,
// all at once, are the error of the start, before any child has run.
//
// If the context of the start ends, all that was started is asked to stop at once, and
// Start returns when it has stopped. So it may return later than its context ends: by the
// longest stop timeout, and by as long as it likes with a child.Forever child. That goes
// for StartChild too. If the children become ready in the moment in which the context
// ends, the start has succeeded.
//
// [Supervisor.StartChild] adds children at any time, also from a child
// ([FromContext]) or a subscriber. It returns when all of the call are ready, or
// none is running. They are forgotten when the supervisor ends.
//
// # Stopping
//
// The end of the context of Serve, or [Supervisor.Stop], stops the children in
// reverse order. A child's context is not cancelled by that of the root: it keeps
// the values, and ends when the child's turn has come. context.Cause tells why:
// child.ErrStopped, ErrSibling, ErrRemoved, ErrGaveUp, ErrStartTimeout, ErrHung;
// it wraps the cause of the root's context, such as the signal.
//
// Three bounds, each of use alone: child.Spec.StopTimeout for one child,
// Spec.StopTimeout for the whole stop, and the context of Stop, after which
// all that are left are asked at once. In a pod set the second to less than
// terminationGracePeriodSeconds, 25 s of 30 s for instance: children stop one after
// another, so their timeouts add up. ctx.Grace is a context for cleaning up; it ends
// at nine tenths of the child's timeout, so that a forced close still fits in.
//
// Go cannot kill a goroutine. A run that is still going at its timeout is
// abandoned: [EventAbandoned] and the [StopError] have its path and stack, the tree
// counts it, and whatever it does later changes nothing but one [EventLateExit].
// If it still holds a port, its successor fails until it lets go: that is what
// child.Forever is for.
//
// An error that a run returns while it is being stopped, such as "flush: 1,708 rows not
// written", is reported. It is a warning in the log, the child's LastError, and an entry
// in StopError.Unclean of the stop that somebody asked for: the end of Serve's context,
// Stop, StopChild, RemoveChild, or the undoing of a start. In a group restart, and for
// RestartChild, it is in the log and in LastError alone. After a start timeout or a missed heartbeat it is part of
// that failure. Not reported is an error that only says that the run was stopped: one made
// of nothing but context.Canceled, the cause of the run's context, child.ErrDone,
// ErrShutdown, ErrIgnore, net.ErrClosed, os.ErrClosed and http.ErrServerClosed. A panic is
// always reported. Decide is asked first.
//
// Serve, Stop and Wait return when the log and the subscribers have received the last
// events, or after one second.
//
// [Supervisor.StopChild], [Supervisor.RestartChild] and [Supervisor.RemoveChild]
// act on children by path, at any depth. RestartChild returns a *StopError if it had to
// abandon the run before; the new run is up all the same. [Supervisor.Suspend] holds back
// all starts.
//
// # Giving up, and backoff
//
// A fault that restarts do not cure is handed to the next level: the supervisor
// stops its children and ends with a [GaveUpError]. Two things lead to it.
//
//   - Intensity limits how many restarts there may be in a period, over all
//     children that have no backoff. The default is 3 in 5 s: it guards against a
//     child that fails as fast as it starts. strategy.Unlimited never gives up.
//   - A Backoff makes pauses between the restarts of one child, and may give up by
//     itself: child.Exponential(100*time.Millisecond, 30*time.Second).Retries(8).
//     A healthy run of ResetAfter begins it anew. While a child waits for its
//     restart (child.Waiting) nobody else is held up, and RestartChild and
//     StopChild act on it at once.
//
// Each child has one or the other: with a backoff, its own or the supervisor's,
// its restarts do not count for the Intensity. Use a backoff for what the world
// does to a child (a database that is away), the intensity for what its own state
// does to it. Restarts that somebody asks for count for neither.
//
// Nothing escalates past a backoff without Retries: with
// Spec.Backoff: child.Exponential(...) the supervisor never gives up, and trouble
// shows in Health, Tree and the log alone. Add Retries where the next level is to
// act. An Intensity made by strategy.AtMost beside Spec.Backoff would never count
// anything, so it is a fault of the spec.
//
// To its parent, a supervisor that gave up has ended as by child.ErrShutdown: a
// Permanent child is restarted, with all below it, a Transient one is not. So the
// latter is loud: [EventGaveUp] and a failure in the log, the child is Done with
// that error, and Health fails. Leave supervisors Permanent unless you mean it.
//
// # Nesting
//
// A supervisor is a child like any other: {Name: "jobs", Run: jobs.Run}. It is
// ready when all its declared children are. A type of your own may wrap one and
// call its Run: the tree is joined through the context. The nested supervisor goes
// by the name of its child, logs to its parent's Logger unless it has one, and only
// its parent starts and stops it ([ErrNested]).
//
// AutoShutdown ends a supervisor because the work is done: with AnySignificant
// when the first of its significant children has ended for good, with
// AllSignificant when the last has. A supervisor that never had a significant child does
// not end by itself.
//
// # Watching
//
//   - [Supervisor.Tree]: all that is declared and running, with state, restarts,
//     last error and next start; as text, as JSON, or to go over with All.
//   - [Supervisor.Health]: nil, or a line for each declared child that is not
//     ready: for a readiness probe. A child says so itself with ctx.Unready.
//   - [Supervisor.Children], [Supervisor.AppendChildren], [Supervisor.Count],
//     [Supervisor.Lookup].
//   - [Supervisor.Subscribe]: every event of the subtree in order. Subscribers may
//     be slow and may call anything; they hold up nobody. Its cancel waits for a call
//     under way.
//   - [Supervisor.Watch]: the same of one child or a part of the tree, as a channel.
//   - Spec.Logger: the log. At info level it tells the whole story: the tree is up; a
//     child failed, and what follows ("restart 3 in 200ms"); it is ready again, and for
//     how long it was down; it is unready, and ready again; a supervisor gives up; the
//     tree stops, and has stopped. Single starts and stops are at debug level.
//   - Spec.Around: code of yours around each run of the subtree: pprof labels, spans.
//
// All of them answer at once, also in the middle of a group restart or while a
// child hangs in its stop.
//
// # Errors
//
// Sentinels say of which kind an error is (errors.Is), types carry what there is to
// carry (errors.As): [ChildError], [GaveUpError], [StopError] (abandoned runs, and errors
// returned while being stopped), child.SpecError, child.PanicError. The text begins with
// the path and fits in a line. What a child returned can be found through all of them.
//
// # What differs from OTP
//
//   - A child tells when it is ready; in OTP its start function returns. Starting
//     and stopping a child never makes the supervisor deaf to others.
//   - An abandoned run is not dead: Go cannot kill.
//   - Backoff, RetryStart, Heartbeat, Suspend, Unready, Decide, Escalate, Around and
//     PassPanics are additions. Without a backoff restarts are immediate and counted, as in OTP;
//     with one they are not counted.
//   - The default intensity is Elixir's, 3 in 5 s (OTP: 1 in 5 s), and the period is
//     exact where OTP rounds to whole seconds.
//   - A restart that is cancelled while its group waits leaves the later members
//     stopped, as in OTP; there that takes microseconds, here it may be a whole
//     backoff. An event names each.
//   - A child that a group restart meets stopped by hand comes back, as in OTP.
//   - A child that was up and fails while its siblings still start is acted on at once.
//     OTP waits until the last sibling is up, which takes long where starts take long.
//   - A supervisor that gives up while its children start has failed to start, whatever
//     its Restart: the start of its parent fails, or the restart is tried again. In OTP it
//     has come up first, and a transient one stays stopped.
//   - Under an Independent supervisor every child has a spec and a name of its own,
//     as in Elixir. AutoShutdown works there too; OTP refuses it under
//     simple_one_for_one since 27.
//   - StartChild takes several children, and takes all back if one fails.
//     RestartChild also restarts one that runs.
//   - Children keep their declared order in every listing; OTP's is reversed.
package supervisor
