package supervisortest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A bubble is the number of the synctest bubble in which something was made, or
// empty: it was made outside.
type bubble string

// here returns the caller's bubble. There is no call that tells; the head of a
// goroutine's stack does: "goroutine 21 [running, synctest bubble 1]:".
func here() bubble {
	var stack [128]byte
	head, _, _ := strings.Cut(string(stack[:runtime.Stack(stack[:], false)]), "]")
	_, number, _ := strings.Cut(head, "synctest bubble ")
	return bubble(number)
}

func inBubble() bool { return here() != "" }

// elsewhere says what is wrong if the caller is not where something was made: to
// use its channels would crash the process, or wait for ever.
func (b bubble) elsewhere(what string) error {
	if here() == b {
		return nil
	}
	return fmt.Errorf("%s was made in another bubble, or outside of one: make and use it in the same function of Run "+
		"or synctest.Test, or both outside", what)
}

// settle waits, in a bubble, until nothing more happens by itself.
func settle() {
	defer func() { _ = recover() }() // somebody else in the bubble waits already
	if inBubble() {
		synctest.Wait()
	}
}

// virtually runs f in a bubble: in that of the caller, or in a new one.
func virtually(t testing.TB, who string, f func(t testing.TB)) {
	t.Helper()
	if inBubble() {
		f(t)
		return
	}
	real, ok := t.(*testing.T)
	if !ok {
		t.Fatalf("%s makes a synctest bubble, and that needs a *testing.T: this is a %T", who, t)
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

// patience is how long to wait for something that should happen: a time that
// only a failing test takes. In a bubble it has to be longer than any backoff,
// and costs nothing.
func patience() time.Duration {
	if inBubble() {
		return 48 * time.Hour
	}
	return 10 * time.Second
}
