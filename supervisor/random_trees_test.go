package supervisor_test

import (
	"os"
	"testing"
)

// randomTrees returns how many random trees a test plays: all of them where EXPLORE is set,
// which is once in make test, and otherwise a tenth. The trees are played in virtual time and
// one after the other, so the race detector and other numbers of processors see as much in a few.
func randomTrees(t *testing.T, all int) int {
	t.Helper()
	if os.Getenv("EXPLORE") == "" {
		all /= 10
	}
	t.Logf("%d trees", all)
	return all
}
