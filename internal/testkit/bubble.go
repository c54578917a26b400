package testkit

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A Bubble is the number of the synctest bubble in which something was created, or empty
// if it was created outside.
type Bubble string

// Here returns the caller's bubble. No call of the standard library reports it, but the
// head of a goroutine's stack does: "goroutine 21 [running, synctest bubble 1]:".
func Here() Bubble {
	var stack [128]byte
	head, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), "]")
	_, number, _ := strings.Cut(head, "synctest bubble ")
	return Bubble(number)
}

// InBubble reports whether the caller is in a bubble.
func InBubble() bool { return Here() != "" }

// Elsewhere returns an error if the caller is not in the bubble b, in which something was
// created: to use its channels would crash the process, or block forever.
func (b Bubble) Elsewhere(what string) error {
	if Here() == b {
		return nil
	}
	return fmt.Errorf("%s was created in another bubble, or outside: create and use it in the same function passed to Run "+
		"or synctest.Test, or both outside", what)
}

// Settle waits, in a bubble, until all other goroutines are blocked. Outside it does
// nothing.
func Settle() {
	defer func() { _ = recover() }() // synctest.Wait panics if another goroutine is in it
	if InBubble() {
		synctest.Wait()
	}
}

// Virtually runs f in a bubble: in the caller's, or in a new one. A failure begins with
// the name of the caller.
func Virtually(t testing.TB, caller string, f func(t testing.TB)) {
	t.Helper()
	if InBubble() {
		f(t)
		return
	}
	real, ok := t.(*testing.T)
	if !ok {
		t.Fatalf("%s needs a *testing.T to create a synctest bubble, got %T", caller, t)
		return
	}
	defer func() {
		t.Helper()
		if v := recover(); v != nil {
			if !strings.Contains(fmt.Sprint(v), "deadlock:") {
				panic(v) // not ours
			}
			t.Errorf("%s: goroutines of the test are blocked forever: end what the test has started, "+
				"and create the channels that children wait on inside the bubble (%v)", caller, v)
		}
	}()
	synctest.Test(real, func(t *testing.T) { f(t) })
}

// Patience returns how long to wait for something that should happen. Only a failing test
// waits that long. In a bubble it must be longer than any backoff, and costs nothing.
func Patience() time.Duration {
	if InBubble() {
		return 48 * time.Hour
	}
	return 10 * time.Second
}
