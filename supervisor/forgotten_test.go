package supervisor_test

import (
	"context"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// What a removed child held is free at once, not when something else happens: a
// supervisor may be idle for days.
func TestNothingIsKeptOfARemovedChild(t *testing.T) {
	sup := supervisor.New(supervisor.Spec{Logger: quiet})
	require.NoError(t, sup.Start(t.Context()))
	held := addAndRemove(t, sup)
	for range 100 {
		if runtime.GC(); held.Value() == nil {
			break
		}
		runtime.Gosched() // its goroutine may have an instruction or two to go
	}
	require.Nil(t, held.Value())
	require.NoError(t, sup.Stop(context.Background()))
}

//go:noinline
func addAndRemove(t *testing.T, sup *supervisor.Supervisor) weak.Pointer[[1 << 20]byte] {
	large := new([1 << 20]byte)
	require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: func(ctx child.Context) error {
		large[0]++
		return idle(ctx)
	}}))
	require.NoError(t, sup.RemoveChild(t.Context(), "a"))
	return weak.Make(large)
}
