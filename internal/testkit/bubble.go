package testkit

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A Bubble is the number of the synctest bubble in which something was made, or
// empty: it was made outside.
type Bubble string

// Here returns the caller's bubble. There is no call that tells; the head of a
// goroutine's stack does: "goroutine 21 [running, synctest bubble 1]:".
func Here() Bubble {
	var stack [128]byte
	head, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), "]")
	_, number, _ := strings.Cut(head, "synctest bubble ")
	return Bubble(number)
}

// InBubble reports whether the caller is in a bubble.
func InBubble() bool { return Here() != "" }

// Elsewhere says what is wrong if the caller is not where something was made: to
// use its channels would crash the process, or wait for ever.
func (b Bubble) Elsewhere(what string) error {
	if Here() == b {
		return nil
	}
	return fmt.Errorf("%s was made in another bubble, or outside of one: make and use it in the same function of Run "+
		"or synctest.Test, or both outside", what)
}

// Settle waits, in a bubble, until nothing more happens by itself.
func Settle() {
	defer func() { _ = recover() }() // somebody else in the bubble waits already
	if InBubble() {
		synctest.Wait()
	}
}

// Virtually runs f in a bubble: in that of the caller, or in a new one.
func Virtually(t testing.TB, who string, f func(t testing.TB)) {
	t.Helper()
	if InBubble() {
		f(t)
		return
	}
	real, ok := t.(*testing.T)
	if !ok {
		t.Fatalf("%s needs a *testing.T to create a synctest bubble, got %T", who, t)
		return
	}
	defer func() {
		t.Helper()
		if v := recover(); v != nil {
			if !strings.Contains(fmt.Sprint(v), "deadlock:") {
				panic(v) // not ours
			}
			t.Errorf("%s: goroutines of the test are blocked for ever: end what the test has started, "+
				"and make the channels that children wait on inside of the bubble (%v)", who, v)
		}
	}()
	synctest.Test(real, func(t *testing.T) { f(t) })
}

// Patience is how long to wait for something that should happen: a time that
// only a failing test takes. In a bubble it has to be longer than any backoff,
// and costs nothing.
func Patience() time.Duration {
	if InBubble() {
		return 48 * time.Hour
	}
	return 10 * time.Second
}
