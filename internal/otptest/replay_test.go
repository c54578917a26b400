package otptest

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
)

// replay plays every scenario that has none of the leftOut tags and compares the traces. An
// error of play fails only its scenario.
func replay(t *testing.T, leftOut []string, play func(*testing.T, *Scenario) (*Trace, error)) {
	files, err := Load(Dir())
	if err != nil {
		t.Fatal(err)
	}
	played, skipped := 0, 0
	for _, f := range files {
		for _, s := range f.Scenarios {
			if s.Tagged(leftOut...) {
				skipped++
				continue
			}
			played++
			t.Run(f.Name+"/"+s.Name, func(t *testing.T) {
				trace, err := play(t, s)
				if err != nil {
					t.Fatal(err)
				}
				if diff := Compare(f.Traces[s.Name], trace); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	slices.Sort(leftOut)
	t.Logf("replayed %d scenarios, left out %d tagged %v", played, skipped, leftOut)
}

// caught calls f and returns its panic as an error.
func caught(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	f()
	return nil
}

// inBubble calls f in its own bubble. It returns a panic of f as an error, and also a panic
// of the bubble, which means that f is stuck or leaves goroutines that are.
func inBubble(t *testing.T, f func()) error {
	var inside error
	outside := caught(func() {
		synctest.Test(t, func(*testing.T) { inside = caught(f) })
	})
	return errors.Join(inside, outside)
}

func TestOTPScenarioThatGoesWrongIsAnError(t *testing.T) {
	for name, f := range map[string]func(){
		"panics":   func() { panic("oops") },
		"is stuck": func() { <-make(chan int) },
		"leaks":    func() { go func() { <-make(chan int) }() },
	} {
		if inBubble(t, f) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := inBubble(t, func() {}); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
