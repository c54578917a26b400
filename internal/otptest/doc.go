// Package otptest replays recordings of a real Erlang/OTP supervisor on Coppice and
// compares the behaviour. testdata/README.md describes the recordings.
//
// The package has what every replay needs: Load reads the files, Scenario and Trace are
// their contents, Play plays the steps on a Tree, and Compare compares two traces. The
// trees are in the tests:
//
//   - TestOTPOnMachine drives internal/machine alone, with simulated children and a
//     simulated clock, and without goroutines.
//   - TestOTPOnSupervisor drives the public supervisor, with real goroutines and the
//     time of a bubble.
//
// The environment variable OTP_DIR selects another folder to replay.
//
// Scenarios with two tags are skipped: "truncation", where the outcome depends on OTP
// counting in whole seconds, and "quirk", an OTP bug that has been fixed since. The public
// supervisor also skips "batch", where events queue up in a supervisor that is busy.
// Coppice's supervisor has no queue: the goroutine that reports an event takes a lock.
//
// # How OTP's terms are mapped
//
// Most OTP terms have a direct counterpart. These do not:
//
//	brutal_kill            child.AtOnce: the run is abandoned
//	shutdown timeout       the run is abandoned; the trace has OTP's killed
//	shutdown=0             the shortest StopTimeout, because zero is the default
//	exit kill              a failure
//	exit shutdown_term     child.ErrShutdown, like shutdown
//	start=panic            a failed start, like error
//	simple_one_for_one     strategy.Independent; the driver has the template,
//	                       and the tag is the name of the child
//	intensity, period      strategy.AtMost(intensity, period)
//	upgrade                Upgrade; for a simple_one_for_one with one spec
//	                       for each of its children
//	type                   affects counts only, which the driver computes
//	get_childspec          the driver keeps OTP's settings; Restart is that of Status
//
// On the public supervisor also:
//
//	exit of a supervisor   Stop of a nested one returns ErrNested, so the driver
//	                       wraps its Run and cancels the context that it passes
//	start=flap             ready, then a failure after a millisecond
//	term=hang              a run that returns when the scenario is over; an
//	                       abandoned run with term=slow does the same
//	ok undefined           no error, and the child is not Running
//
// Coppice allows calls that OTP refuses, so the driver checks the state of the child first
// and returns OTP's error (see Refusal):
//
//	call              child is                      OTP
//	start_child       running                       already_started
//	                  stopped, or being restarted   already_present
//	restart_child     running                       running
//	                  being restarted               restarting
//	delete_child      running                       running
//	                  being restarted               restarting
//	get_childspec     unknown                       not_found
//	restart_child,    unknown                       not_found
//	delete_child,     of a simple_one_for_one       simple_one_for_one
//	terminate_child
//
// Reports are derived from the events of Coppice:
//
//	child_terminated  Failed, or Completed of a Permanent child, for a run
//	                  that was ready
//	start_error       Failed, for a run that was not ready, unless a call
//	                  requested that start
//	shutdown_error    Stopped, with another reason than the requested one;
//	                  Abandoned, unless the child is killed at once
//	shutdown          GaveUp
//
// A child of a simple_one_for_one is reported under the id of its template. When such a
// supervisor ends, each reason is reported once. If a supervisor that is a Transient child
// gives up, Coppice emits Failed and OTP reports nothing.
package otptest
