package child_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestSpecDefaults(t *testing.T) {
	var zero child.Spec
	require.Equal(t, child.Permanent, zero.Restart)
	require.Equal(t, 5*time.Second, child.DefaultStopTimeout)
	require.Equal(t, time.Minute, child.DefaultResetAfter)
}

type service struct{ ran bool }

func (s *service) Run(ctx child.Context) error {
	s.ran = true
	return ctx.Ready()
}

func TestMethodValueOfARunnableIsARun(t *testing.T) {
	s := &service{}
	var runnable child.Runnable = s
	spec := child.Spec{Name: "service", Run: runnable.Run}
	require.NoError(t, spec.Validate())
	require.NoError(t, spec.Run(child.FromContext(context.Background())))
	require.True(t, s.ran)
}
