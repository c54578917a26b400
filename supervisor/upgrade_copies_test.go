package supervisor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Specs are copied: the caller may use its slice for something else.
func TestSpecThatIsChangedAfterUpgradeChangesNothing(t *testing.T) {
	for _, running := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			a := child.Spec{Name: "a", Run: idle}
			sup := newRoot(supervisor.Spec{Children: []child.Spec{a}})
			if running {
				require.NoError(t, sup.Start(t.Context()))
			}
			spec := supervisor.Spec{Logger: quiet, Children: []child.Spec{a, {Name: "b", Run: idle}}}
			require.NoError(t, sup.Upgrade(spec))
			spec.Children[0], spec.Children[1] = child.Spec{Name: "x"}, child.Spec{Name: "y"}
			if !running {
				require.NoError(t, sup.Start(t.Context()))
			}
			require.NoError(t, sup.RestartChild(t.Context(), "a", "b"))
			for i, st := range sup.Children() {
				require.Equal(t, string("ab"[i]), st.Name)
			}
			require.NoError(t, sup.Stop(t.Context()))
		})
	}
}
