package testkit

import (
	"context"
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// RequireStopWaits stops root, and calls release when a child has been asked to stop. The test
// fails if Stop returns before that, returns an error, or has not returned when ctx ends.
func RequireStopWaits(ctx context.Context, t testing.TB, root *supervisor.Supervisor, release func()) {
	t.Helper()
	stopping := Events(t, root, supervisor.EventStopping)
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	Next(ctx, t, stopping)
	select {
	case err := <-stopped:
		t.Fatalf("Stop did not wait: %v", err)
	default:
	}
	release()
	if err := Next(ctx, t, stopped); err != nil {
		t.Fatal(err)
	}
}
