package supervisor_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A child that is not ready yet may not wait for a start, as that would wait for it. A
// stop waits for no start.
func TestChildThatIsNotReadyMayStopAndRemoveSiblings(t *testing.T) {
	for _, s := range allStrategies {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var answers []error
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: idle}, {Name: "b", Run: idle}, {Name: "c", Run: idle},
				}})
				require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "z", Run: func(ctx child.Context) error {
					sup, _ := supervisor.FromContext(ctx)
					answers = append(answers, sup.StopChild(ctx, "a"), sup.RemoveChild(ctx, "b"))
					if !concurrent(s) {
						answers = append(answers, sup.RestartChild(ctx, "c"))
					}
					return idle(ctx)
				}}))
				synctest.Wait()
				require.NoError(t, answers[0])
				require.NoError(t, answers[1])
				if !concurrent(s) {
					require.ErrorIs(t, answers[2], child.ErrNotReady)
				}
				_, there := sup.Lookup("b")
				require.False(t, there)
			})
		})
	}
}
