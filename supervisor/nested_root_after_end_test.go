package supervisor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestNestedSupervisorThatHasEndedIsItsOwnRoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "deep", Run: deep.Run}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		require.Same(t, sup, deep.Root())
		require.NoError(t, sup.StopChild(t.Context(), "inner/deep"))
		require.Same(t, deep, deep.Root())
		require.Same(t, sup, inner.Root())
		require.NoError(t, sup.RestartChild(t.Context(), "inner/deep"))
		require.Same(t, sup, deep.Root())
		require.NoError(t, sup.StopChild(t.Context(), "inner"))
		require.Same(t, inner, inner.Root())
		require.Same(t, deep, deep.Root())
		require.Equal(t, "/root/inner/deep", deep.Path(), "its path stays")
	})
}
