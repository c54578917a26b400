// Package supervisor runs the long-lived goroutines of a program as a supervision tree,
// with the semantics of Erlang/OTP. A supervisor starts its children in order and waits
// until each is ready. It restarts the children that fail, alone or together with the
// children that depend on them, and escalates when restarting does not help. It stops all
// of them in reverse order within a deadline. The whole tree can be inspected at any time.
//
// # A program
//
//	func (t *Ticker) Run(ctx child.Context) error {
//		tick := time.NewTicker(t.Every)           // set up
//		defer tick.Stop()                         // clean up
//		if err := ctx.Ready(); err != nil {       // set-up is done
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
// A child is a function. It sets up, calls ctx.Ready, works until ctx is done, cleans up
// and returns; package child documents this contract in full. A supervisor is declared by
// a [Spec] and created by [New]. [Supervisor.Serve] runs it until its context ends.
//
// A run is one call of a child's function: a restart is a new run of the same child.
//
// # Child specs
//
// Only Name and Run are required. The zero value of every field is its default; "none"
// and "forever" have named constants.
//
//   - Name: unique among siblings, without a slash. It is the last part of the child's
//     path, such as /shop/jobs/job-17. Errors, events and log lines contain the path, and
//     every method that takes a name also takes a path. child.UniqueName makes a name.
//   - Run: the child's function, or a method value such as db.Run. Every start calls it
//     again. child.Plain and child.Task adapt functions that do not use this library.
//   - Restart: whether the child is restarted when it ends by itself. Permanent: always;
//     this is the default, also under an Independent supervisor. Transient: only after a
//     failure. Temporary: never, and its spec is removed.
//   - Significant: the end of this child may shut down the supervisor; see AutoShutdown.
//     Default: false.
//   - StartTimeout: the longest time from the call of Run to ctx.Ready. Default: no limit. A start
//     that takes longer than 10 s emits [EventSlowStart], which usually means a missing
//     call of Ready.
//   - StopTimeout: the longest time from the end of ctx to the return of Run. Default: 5 s, or no
//     limit while a nested supervisor runs in the child, because the supervisor's own
//     children have timeouts. Kubernetes gives a pod 30 s by default, so a child that
//     drains for longer than 5 s needs a longer StopTimeout. child.Forever waits without a
//     limit: use it for a run that holds something its successor needs, such as a file or
//     a port. child.AtOnce does not wait.
//   - RetryStart: retry a failed first start like a failed restart. The start of the tree
//     waits meanwhile, for example until the database is up. Default: false; a failed
//     first start is an error, and the start of the tree fails.
//   - Version: what [Supervisor.Apply] compares, such as a hash of the child's configuration.
//     Default: none; Apply requires one.
//   - Backoff: the delay before a restart. Default: the supervisor's Backoff, or none.
//   - ResetAfter: how long a run must have been ready for the backoff to start over. Time
//     spent Unready does not count. Default: 1 minute.
//   - Heartbeat: the longest time between two calls of ctx.Heartbeat while the child is
//     ready. Default: no heartbeat is required.
//   - Needs: the children that this one cannot run without, under strategy.Graph. Default:
//     none.
//   - After: the children that this one starts after and stops before, if they do so at the
//     same time, under strategy.Graph. Default: none.
//   - Decide: receives the error that a run ended with (also a panic) and returns the
//     error that counts instead. For a run that was being stopped it is called only if the
//     error is not nil, and its answer is what is reported. Default: the error counts as
//     it is.
//
// # Strategies
//
//	OneForOne    restart only the failed child      children that do not depend on each other
//	RestForOne   it and those declared after it     each depends on the ones before it: db, cache, api
//	OneForAll    all children                       children that only make sense together
//	Independent  only the failed child, unordered   many dynamic children: connections, jobs
//	Graph        it and those that need it          children that depend on each other, but not in one line
//
// The first three start children one after another in declared order; each starts when the
// one before it is ready. They stop children in reverse order; each is stopped when the one
// after it has returned. A group restart stops the group in reverse order, then starts it
// in order. It counts as one restart. It also starts members that had been stopped with
// StopChild or had completed. It removes the Temporary members, also those that are not
// running.
//
// Under RestForOne an API goes down whenever its database does. If the API can do without
// the database for a while, use OneForOne: the API gets the connection from a child.Ref and
// calls ctx.Unready while there is none (example RefAndUnready).
//
// An Independent supervisor starts and stops its children concurrently. It removes a child
// that was stopped, or that ended and is not restarted. A Permanent child, the default, is
// restarted even when it returns nil: declare connections and jobs as Temporary or
// Transient. Independent corresponds to OTP's simple_one_for_one and Elixir's
// DynamicSupervisor. Children can be added at any time under the other strategies too, but
// there a slow start or stop delays the next one.
//
// Under Graph, child.Spec.Needs names what a child cannot run without, and After what it
// starts after. A child starts when all that it needs is ready, and stops when all that
// needs it is down; what has nothing to do with each other starts and stops concurrently.
// When a child fails, those that need it, directly or through others, stop in reverse
// order. The child is restarted after its backoff, and they follow when it is ready, also
// those that were Done. That is one restart. But a child that notices that something it
// needs is about to fail, and returns an error first, has failed by itself, and that counts
// too: give such children a Backoff. What was stopped by a call stays so: a failure does
// not start it. StopChild stops those that need the child too, and they stay down;
// RestartChild of a running child restarts them, and that of a stopped one starts what it
// needs first. A child that is needed is not removed (ErrNeeded). A child without Needs and
// After that nothing needs is restarted alone.
//
// # How a run ends
//
//	Run returns nil                  normal end
//	an error                         failure
//	anything while being stopped     stopped, not a failure; an error is reported: see Stopping
//	panics                           failure: *child.PanicError with value and stack
//	runtime.Goexit, t.FailNow        failure: child.ErrGoexit
//	anything before ctx.Ready        start failure; child.ErrNotReady if it returned no error
//	nil or ErrShutdown before Ready  of a Transient or Temporary child: a task that is done
//	child.ErrDone                    no restart, whatever Restart says; before Ready: a task that is done
//	child.ErrIgnore before Ready     the child does not run; the start continues
//	child.ErrShutdown                an end after which a Transient child is not restarted
//	child.Escalate(err)              the supervisor gives up at once
//	context.Canceled, not stopped    failure: it came from some other context
//
// These errors may be wrapped. If an error wraps several of them, the outermost one decides.
//
// log.Fatal and os.Exit in a child end the process at once: no sibling is stopped, and no
// deferred function runs. Return child.Escalate(err) instead. The supervisor then gives up
// at once and stops its children in order. At the root, Serve returns the error. A nested
// supervisor is restarted by its parent, as after any giving up.
//
// # Starting
//
// [Supervisor.Serve] blocks until the tree has ended. [Supervisor.Start] returns when all
// declared children are ready; its context bounds only the start, like the context of a
// Dial. If a child cannot start, the children that were started are stopped in reverse
// order, and the error of that child is returned. New never fails: all problems of a spec
// are reported together as the error of the start, before any child runs.
//
// If the context of Start ends first, all started children are asked to stop at once, and
// Start returns when they have stopped. It may therefore return later than its context
// ends, by up to the longest stop timeout. A child.Forever child has no such bound. The same
// holds for StartChild. If the children become ready at the moment the context ends, the
// start succeeds.
//
// [Supervisor.StartChild] adds children at any time, also from a child ([FromContext]) or a
// subscriber. It returns when all children of the call are ready, or with an error when
// none of them is running. They are removed when the supervisor ends.
//
// # Stopping
//
// The end of the context of Serve, or a call of [Supervisor.Stop], stops the children in
// reverse order. A child's context carries the values of the root's context, but it is
// cancelled only when it is the child's turn to stop. context.Cause tells why:
// child.ErrStopped, ErrSibling, ErrRemoved, ErrGaveUp, ErrStartTimeout or ErrHung. The cause
// wraps the cause of the root's context, such as the signal.
//
// From the start of a stop nothing is restarted, as in OTP. A child that fails before it is
// asked to stop stays down; the log says so, and its error is in StopError.Unclean.
//
// Three limits bound a stop. Each can be used alone.
//
//   - child.Spec.StopTimeout bounds the stop of one child.
//   - Spec.StopTimeout bounds the whole stop. In a pod, set it below
//     terminationGracePeriodSeconds, for example 25 s of 30 s: children stop one after
//     another, so their timeouts add up.
//   - The context of Stop: when it ends, all remaining children are asked to stop at once.
//
// ctx.Grace is a context for cleaning up. It ends after nine tenths of the child's stop
// timeout, which leaves time for a forced close.
//
// Go cannot kill a goroutine. A run that has not returned at its stop timeout is abandoned.
// [EventAbandoned] and the [StopError] contain its path and stack, and the tree counts it.
// Whatever it does later has no effect, except that its return emits [EventLateExit]. If it
// still holds a port, its successor fails until the port is released; child.Forever avoids
// that.
//
// An error that a run returns while it is being stopped, such as "flush: 1,708 rows not
// written", is reported as a warning in the log and as the child's LastError. It is also an
// entry in StopError.Unclean of the stop that was requested: by the end of Serve's context,
// Stop, StopChild, RemoveChild, or a start that is rolled back. For a group restart and for
// RestartChild it is only in the log and in LastError. After a start timeout or a missed
// heartbeat it is part of that failure. Decide is called first. A panic is always reported.
// An error is not reported if it only says that the run was stopped, that is, if it
// consists of nothing but context.Canceled, the cause of the run's context, child.ErrDone,
// ErrShutdown, ErrIgnore, net.ErrClosed, os.ErrClosed and http.ErrServerClosed.
//
// Serve, Stop and Wait return when the log and the subscribers have received the last
// events, or after one second.
//
// [Supervisor.StopChild], [Supervisor.RestartChild] and [Supervisor.RemoveChild] act on
// children by path, at any depth. RestartChild returns a *StopError if it had to abandon
// the previous run; the new run is up nevertheless. [Supervisor.Suspend] blocks all starts.
//
// # Giving up, and backoff
//
// If restarting does not help, the supervisor gives up: it stops its children and ends with
// a [GaveUpError]. Its parent then restarts it with its whole subtree; at the root, Serve
// returns the error. There are two triggers, besides child.Escalate.
//
//   - Intensity limits the restarts in a period, over all children without a backoff. The
//     default is 3 restarts in 5 s, which catches a child that fails as fast as it starts.
//     strategy.Unlimited never gives up.
//   - A Backoff delays the restarts of one child. It may also give up by itself:
//     child.Exponential(100*time.Millisecond, 30*time.Second).Retries(8). After a healthy
//     run of ResetAfter the backoff starts over. While a child waits for its restart
//     (child.Waiting) it delays no other child, and RestartChild and StopChild act on it
//     at once.
//
// Each child has one or the other: the restarts of a child with a backoff, its own or the
// supervisor's, do not count towards the Intensity. Use backoff for external faults, such as
// a database that is down, and intensity for faults that a fresh start should cure. Restarts
// requested with RestartChild count towards neither.
//
// Without Retries, the policies of this module never give up. If Spec.Backoff is
// child.Exponential(...), the supervisor gives up only if a child escalates; otherwise
// failures show only in Health, Tree and the log. Add Retries if the next level should act.
// An Intensity made by strategy.AtMost together with
// Spec.Backoff is an invalid spec, because it would never count anything.
//
// To its parent, a supervisor that gave up has ended with child.ErrShutdown. A Permanent
// child is restarted with its whole subtree; a Transient one is not. The second case is easy
// to overlook, so it is reported: [EventGaveUp], an error-level log line, the child is Done
// with that error, and Health fails. Keep nested supervisors Permanent unless you want that.
//
// # Nesting
//
// A supervisor is a child like any other:
//
//	jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
//	root := supervisor.New(supervisor.Spec{
//		Name: "shop",
//		Children: []child.Spec{
//			{Name: "db", Run: db.Run, Backoff: child.Exponential(100*time.Millisecond, 30*time.Second)},
//			{Name: "jobs", Run: jobs.Run},
//		},
//	})
//
// A nested supervisor is ready when all its declared children are. It takes the name of its
// child, and logs to its parent's Logger unless it has its own. Only its parent starts and
// stops it ([ErrNested]). A type of your own may wrap a supervisor and call its Run; the
// supervisor joins the tree through the context.
//
// AutoShutdown ends a supervisor when its work is done. With AnySignificant it ends when the
// first of its significant children has ended for good, with AllSignificant when the last
// one has. A supervisor that never had a significant child does not end by itself.
//
// # Changing
//
//   - [Supervisor.Apply]: brings a running supervisor to a desired spec. It removes, replaces
//     and adds children, and does not touch those whose Version is the same. A child that does
//     not become ready gets its old spec back. [Supervisor.Plan] says what it would do.
//
//   - [Supervisor.Upgrade]: replaces the spec and restarts nothing, as OTP's code_change does.
//
//   - [Supervisor.Nested]: finds a nested supervisor by path.
//
//   - [Supervisor.Explain]: what the settings mean: which children restart together and after
//     which delays, when a supervisor gives up, and how long a start and a stop may take.
//
// The guide docs/changing.md has a program that reloads on SIGHUP and from a ConfigMap.
//
// # Watching
//
//   - [Supervisor.Tree]: everything that is declared and running, with state, restarts,
//     last error and next start; as text, as JSON, or as an iterator (All).
//
//   - [Supervisor.Health]: nil, or one line for each declared child that is not ready. Use
//     it in a readiness probe. A child reports itself as not ready with ctx.Unready.
//
//   - [Supervisor.Children], [Supervisor.AppendChildren], [Supervisor.Count],
//     [Supervisor.Lookup].
//
//   - [Supervisor.Await]: waits until a child is in a state, or is healthy again.
//
//   - [Supervisor.Subscribe]: every event of the subtree in order. Subscribers may be slow
//     and may call anything; they never delay supervision. The returned cancel waits for a
//     call in progress.
//
//   - [Supervisor.Watch]: the events of one child or a part of the tree, as a channel.
//
//   - Spec.Logger: the log. Level info has the whole story: the tree is up; a child failed,
//     and what follows ("restart 3 in 200ms"); it is ready again, and how long it was down;
//     it is unready, and ready again; a supervisor gives up; the tree drains, is closing, and
//     is over; what an operator requested. Single starts and stops are at level debug.
//
//   - Spec.Around: code of yours around each run of the subtree: pprof labels, spans.
//
//   - ctx.Status: one line that a child says of itself, such as "lag 3 s". Status.Text and
//     Tree show it.
//
//   - Event.Reason, By and Because: why something happened, and which event led to it. So a
//     failure can be followed to the supervisor that gave up because of it, and to the root.
//
//   - [Supervisor.Forecast]: when the supervisor gives up, and when the root ends, if a child
//     keeps failing.
//
//   - [WithRequest]: who asks for a restart or a stop, and about which run.
//
// A supervisor reports its own phases as events: [EventUp], [EventDraining], [EventClosing]
// and [EventOver], those of the root too. To see them, subscribe before the start.
//
// All queries answer at once, also in the middle of a group restart or while a child hangs
// in its stop.
//
// # Errors
//
// Test for the kind of an error with errors.Is and the sentinel errors. Get the details with
// errors.As: [ChildError], [GaveUpError], [StopError] (abandoned runs, and errors returned
// while being stopped), child.SpecError, child.PanicError. Each text starts with the path
// and is a single line. All of them wrap the error that the child returned.
//
// # What differs from OTP
//
//   - A child reports that it is ready; in OTP its start function returns. The supervisor
//     keeps answering calls and handling events while a child starts or stops.
//   - An abandoned run may still be running, because Go cannot kill a goroutine.
//   - Backoff, RetryStart, Heartbeat, Suspend, Unready, Decide, Escalate, Around, PassPanics,
//     Apply, Await and Explain are additions. Without a backoff restarts are immediate and counted, as in
//     OTP; with one they are not counted.
//   - The default intensity is Elixir's, 3 in 5 s (OTP: 1 in 5 s). The period is measured
//     exactly; OTP works in whole seconds.
//   - If a restart is cancelled while its group waits, the later members stay stopped, as
//     in OTP. There the wait takes microseconds, here it may be a whole backoff. An event
//     names each member.
//   - A group restart also starts a member that had been stopped with StopChild, as in OTP.
//   - A child that was ready and fails while its siblings still start is handled at once.
//     OTP waits until the last sibling is up, which takes long if starts take long.
//   - A supervisor that gives up while its children start has failed to start, whatever
//     its Restart: the start of its parent fails, or the restart is retried. In OTP it
//     counts as started, and a transient one stays stopped.
//   - Under an Independent supervisor every child has its own spec and name, as in Elixir.
//     AutoShutdown works there too; OTP has refused it under simple_one_for_one since 27.
//   - StartChild takes several children, and removes all of them again if one fails.
//     RestartChild also restarts a child that is running.
//   - Every listing has the children in declared order; OTP's order is reversed.
package supervisor
