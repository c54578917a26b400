// Package otptest replays on Coppice what a real Erlang/OTP supervisor was
// recorded to do: see testdata/README.md.
//
// The package has what every replay needs: the files (Load), what is in them
// (Scenario, Trace), how a step is played (Play, on a Tree) and how two traces
// differ (Compare). The trees are in the tests:
//
//   - TestOTPOnMachine drives internal/machine alone, with simulated children
//     and a simulated clock, and no goroutine.
//   - TestOTPOnSupervisor drives the public supervisor, with real goroutines and
//     the time of a bubble.
//
// The environment variable OTP_DIR names another folder to replay.
//
// Two tags are left out: "truncation", where the outcome depends on OTP's
// counting in whole seconds, and "quirk", a bug since mended. A third is left out
// on the public supervisor: "batch", where events queue before a supervisor that
// is held up. Coppice's has no queue: who brings news takes a lock.
//
// # How OTP's words are taken
//
// Most words have their like; these have not:
//
//	brutal_kill            child.AtOnce: the run is abandoned
//	shutdown timeout       the run is abandoned; what OTP kills reads as killed
//	shutdown=0             the shortest StopTimeout; zero is the default here
//	exit kill              a failure
//	exit shutdown_term     child.ErrShutdown, as shutdown
//	start=panic            a failed start, as error
//	simple_one_for_one     strategy.Independent; the template is in the driver,
//	                       and a child is named by its tag
//	intensity, period      strategy.AtMost(intensity, period)
//	upgrade                Upgrade; of a simple_one_for_one, with one spec
//	                       for each child that it has
//	type                   counts only; the driver counts by it
//	get_childspec          the driver keeps the specs; Status shows Restart
//
// On the public supervisor there is besides:
//
//	exit of a supervisor   Stop of a nested one is ErrNested, so its Run is
//	                       wrapped, and the context that it gets is cancelled
//	start=flap             ready, and a millisecond later a failure
//	term=hang              a run that returns when the scenario is over, and so
//	                       does one of term=slow that is abandoned
//	ok undefined           no error, and the child is not Running
//
// Coppice's calls are kinder than OTP's, so the driver looks at the state of the
// child first, and answers what OTP answers (Refusal):
//
//	call              child is                      OTP
//	start_child       running                       already_started
//	                  kept, or being restarted      already_present
//	restart_child     running                       running
//	                  being restarted               restarting
//	delete_child      running                       running
//	                  being restarted               restarting
//	these three and   unknown                       not_found
//	terminate_child   of a simple_one_for_one       simple_one_for_one
//
// Reports are made of what Coppice tells:
//
//	child_terminated  Failed, or Completed of a Permanent child, of a run that
//	                  was ready
//	start_error       Failed, of a run that was not, unless somebody asked for
//	                  that start
//	shutdown_error    Stopped, for another reason than was asked for; Abandoned,
//	                  unless it was killed at once
//	shutdown          GaveUp
//
// A child of a simple_one_for_one is reported under the name of its template,
// and when such a supervisor ends, once for each reason. A Transient child that
// is a supervisor and gave up is Failed in Coppice, and nothing in OTP.
package otptest
