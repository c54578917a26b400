package supervisortest

import (
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// Start starts a supervisor as a root and stops it when the test ends. The test fails at
// once if a child cannot start, and at its end if the stop returns an error, such as an
// abandoned run; its log then has the stop report with the stacks. Start works inside a
// testing/synctest bubble and outside.
//
// Without a Spec.Logger the tree logs nothing; a test that fails prints its events.
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
