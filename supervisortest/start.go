package supervisortest

import (
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// Start starts a supervisor with the given spec as a root, and stops it when the
// test ends. It fails the test at once if a child cannot start, and at its end if
// the stop has left somebody behind; the stop report then is in the test's log.
// It works in and out of a testing/synctest bubble.
//
// Without a Spec.Logger the tree is silent; a test that fails prints its events.
func Start(t testing.TB, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	tr := newTestedTree(t, spec)
	t.Cleanup(func() {
		t.Helper()
		tr.end(t)
	})
	tr.start(t)
	return tr.Sup
}
