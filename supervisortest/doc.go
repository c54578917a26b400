// Package supervisortest tests code that runs under a supervisor, without sleeping: a
// test waits for events, or runs in virtual time.
//
//	Start       starts a tree and stops it when the test ends
//	Run         runs a tree in a testing/synctest bubble: a day takes milliseconds
//	Child       a scripted child: it fails, hangs, panics or leaks as its fields say
//	Record      records the events of a tree; Await and Order wait for them
//	Check       checks that a child of yours keeps the contract of child.Spec.Run
//	NoLeaks     fails the test for each goroutine that a child has leaked
//	FaultTable  puts each child through standard faults, and returns what the tree did
//
// Package supervisortest/chaos runs random actions on a tree, from a seed.
//
// A failure says what to do next and prints the events of the tree so far. Misuse, such
// as a path that does not exist, fails the test too.
//
// # Bubbles
//
// Everything except [Harness] works inside a bubble and outside. Inside, waiting takes no
// real time. Do not run children that do network or file I/O in a bubble: virtual time
// does not advance while they wait for it. A channel that a child waits on in a bubble
// must be created in that bubble: in the functions passed to [Run], or in the child's own
// Run. A value created inside a bubble (a Recorder, say) can only be used inside it, and
// one created outside only outside.
//
// # Leaks
//
// [NoLeaks] looks at the goroutines of one tree, by pprof labels, so tests may run in
// parallel. To find all goroutines that outlive a test, use go.uber.org/goleak:
// VerifyNone in a test that does not run in parallel, or VerifyTestMain.
package supervisortest
