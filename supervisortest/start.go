// Package supervisortest helps to test what runs under a supervisor.
package supervisortest

import (
	"context"
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// Start starts a supervisor with the given spec as a root, and stops it when the
// test ends. It fails the test at once if a child cannot start, and at its end if
// the stop has left somebody behind; the stop report then is in the test's log.
// It works in and out of a testing/synctest bubble.
func Start(t testing.TB, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	sup := supervisor.New(spec)
	if err := sup.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := sup.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", report(err))
		}
	})
	return sup
}
