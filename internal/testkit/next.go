package testkit

import (
	"context"
	"testing"
)

// Next receives a value from c. It fails the test if ctx ends before.
func Next[T any](ctx context.Context, t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-ctx.Done():
		t.Fatal("nothing received in time")
	}
	return v
}
