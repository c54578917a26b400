// Package supervisortest helps to test what runs under a supervisor, without
// sleeping: what happens is waited for as an event, or happens in virtual time.
//
//	Start       starts a tree, and stops it when the test ends
//	Run         runs a tree in a testing/synctest bubble: a day takes milliseconds
//	Child       a child that follows a script: fails, hangs, panics, leaks
//	Record      what happens in a tree; Await and Order wait for it
//	Check       does a child of yours keep the contract? one sentence if not
//	NoLeaks     which child has left a goroutine behind? Works in parallel tests
//	FaultTable  what a tree does about each fault of each child, as text to keep
//
// Package supervisortest/chaos does things to a tree at random, from a seed.
//
// Whatever fails a test says what to do, and prints what has happened in the
// tree so far. Bad use, as a path that does not exist, fails the test too.
//
// # In and out of a bubble
//
// All but [Harness] works in a bubble and outside. Inside of one, waiting
// costs no time. A bubble is not for children that do network or file
// input and output: time stands still while they wait for it. The channels of a
// child that runs in a bubble must be made there too: by the functions that are
// given to [Run], or in the child's own Run. A value created inside a bubble (a
// Recorder, say) can only be used inside it, and one created outside only outside.
//
// # Leaks
//
// [NoLeaks] asks for one tree, by pprof labels, so that tests may run in
// parallel. For all that a test leaves behind there is go.uber.org/goleak:
// VerifyNone in a test that does not run in parallel, or VerifyTestMain.
package supervisortest
