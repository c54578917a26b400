package testkit

import (
	"context"
	"log/slog"
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// Root makes a supervisor that logs nothing unless the spec has a Logger, and stops it when
// the test ends. It does not start it.
func Root(t testing.TB, spec supervisor.Spec) *supervisor.Supervisor {
	if spec.Logger == nil {
		spec.Logger = slog.New(slog.DiscardHandler)
	}
	root := supervisor.New(spec)
	t.Cleanup(func() { _ = root.Stop(context.Background()) })
	return root
}
