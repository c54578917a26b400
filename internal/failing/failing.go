// Package failing runs functions that are expected to fail a test, and returns what they
// printed.
package failing

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// A tester is a testing.TB that records failures and logs.
type tester struct {
	testing.TB
	mu       sync.Mutex
	failed   bool
	output   []string
	cleanups []func()
}

// Test runs f as a test, with its cleanups. If f failed, Test returns its failures and its
// log, one a line; otherwise the empty string.
func Test(t testing.TB, f func(t testing.TB)) string {
	t.Helper()
	in := &tester{TB: t}
	in.do(func() { f(in) })
	for len(in.cleanups) > 0 {
		last := in.cleanups[len(in.cleanups)-1]
		in.cleanups = in.cleanups[:len(in.cleanups)-1]
		in.do(last)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.failed {
		return ""
	}
	return strings.Join(in.output, "\n")
}

// do calls f on another goroutine, which Fatalf can end.
func (t *tester) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (t *tester) Helper() {}

func (t *tester) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *tester) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = true
	t.output = append(t.output, fmt.Sprintf(format, args...))
}

func (t *tester) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *tester) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

func (t *tester) Logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.output = append(t.output, fmt.Sprintf(format, args...))
}

func (t *tester) Log(args ...any) { t.Logf("%s", fmt.Sprint(args...)) }
