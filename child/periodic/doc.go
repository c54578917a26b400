// Package periodic runs a function at intervals, or at times that a schedule gives, as a
// child of a supervisor.
//
//	sweep := periodic.New(periodic.Spec{
//		Every:   time.Minute,
//		Jitter:  5 * time.Second,
//		Timeout: 20 * time.Second,
//		Do:      func(ctx context.Context) error { return cache.Sweep(ctx) },
//		GoOn:    true, // an error is reported; without it, it fails the run
//	})
//	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "sweep", Run: sweep.Run}}})
//
//	err := sweep.Now(ctx) // out of turn, for example before a deploy
//
// # When it is called
//
// There are never two calls at once. A job that must run in only one of many processes goes
// behind a gate: see package gate.
//
//	Every   at the start of the run plus Every, plus twice Every, and so on, however long the
//	        calls take: it does not drift. A step of the wall clock does not matter.
//	Next    at the times that Next returns. It goes by the wall clock, and notices a step of it
//	        within ten seconds. After a step forward, a time that was skipped is made up for by
//	        one call. After a step back by up to an hour, no time comes twice. After a larger
//	        one, the new time counts.
//
// Next has the form of the schedules of github.com/robfig/cron/v3, so a cron expression
// becomes
//
//	schedule, err := cron.ParseStandard("0 3 * * 1-5")
//	…
//	periodic.Spec{Next: schedule.Next, Do: report}
//
// A time that passes while a call is in progress is missed. It is not made up for, but it is
// reported by ctx.OnError, as an error that wraps ErrMissed, and counted in State.
//
// A restart of the child begins again: the first call comes Every after it, or at once with
// AtStart.
//
// # When it fails
//
// An error of Do fails the run, which is restarted like that of any other child: so give the
// child a Backoff. With GoOn the error is reported by ctx.OnError, and the job goes on with
// the next time. A panic always fails the run.
//
// When the child is asked to stop, the context of Do ends. Run waits for Do, so give the child
// a StopTimeout that fits. An error that Do returns then is reported like that of any run that
// is being stopped.
//
// The child is ready at once, and stays ready. Leave child.Spec.Heartbeat at zero: there is no
// heartbeat between two calls. Timeout finds a call that hangs.
//
// # Watching
//
// The status text has the last call, its length, and the next one:
//
//	last 2006-01-02T15:04:05Z took 1.2s, next 2006-01-02T15:05:05Z
//	next 2006-01-02T15:05:05Z, last 2006-01-02T15:04:05Z failed after 1.2s: no data
//	running since 2006-01-02T15:05:05Z
//
// State has the same as values, over all runs. Metrics and pages find the jobs of a tree by
// Running.
package periodic
