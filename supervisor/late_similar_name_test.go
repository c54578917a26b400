package supervisor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// The name of a nested supervisor may be the beginning of another name.
func TestAbandonedRunIsNotAttributedToASupervisorOfASimilarName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		a := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		ab := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: deaf.Run}}})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "ab", Run: ab.Run}, {Name: "a", Run: a.Run}}})
		require.Equal(t, []string{"/root/ab/x 5s"}, left(t, sup.StopChild(t.Context(), "ab/x")))
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.NoError(t, a.Wait())
	})
}
