package supervisor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/machine"
)

// childWhys does what a map does, in any order of calls.
func TestChildWhysAreAMap(t *testing.T) {
	children := make([]*machine.Child, 3)
	for i := range children {
		children[i] = new(machine.Child)
	}
	const steps, depth = 6, 5 // each step sets or forgets one child
	for path := range pow(steps, depth) {
		var w childWhys
		want := map[*machine.Child]why{}
		for i, rest := 0, path; i < depth; i, rest = i+1, rest/steps {
			c := children[rest%steps/2]
			if rest%2 == 0 {
				y := why{event: uint64(i + 1)}
				w.set(c, y)
				want[c] = y
			} else {
				w.forget(c)
				delete(want, c)
			}
			require.Equal(t, len(want) == 0, w.empty())
			for _, c := range children {
				y, found := w.get(c)
				wanted, there := want[c]
				require.Equal(t, there, found)
				require.Equal(t, wanted, y)
			}
		}
	}
}

func pow(n, exponent int) int {
	if exponent == 0 {
		return 1
	}
	return n * pow(n, exponent-1)
}
