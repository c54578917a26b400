package observer_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestTheGoroutinesOfAChildAreThoseWithItsLabel(t *testing.T) {
	helpers := func(ctx child.Context) error {
		done := make(chan struct{})
		for range 3 {
			go func() { <-ctx.Done(); done <- struct{}{} }()
		}
		err := idle(ctx)
		for range 3 {
			<-done
		}
		return err
	}
	root := start(t, supervisor.Spec{Around: observer.Label, Children: []child.Spec{
		{Name: "a", Run: helpers},
		{Name: "inner", Run: supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "b", Run: idle}}}).Run},
	}})
	o := observe(t, root, observer.Spec{})
	count := func(v view.Goroutines) (n int) {
		for _, s := range v.Stacks {
			n += s.N
		}
		return n
	}
	a := get[view.Goroutines](t, o, "/goroutines?path=a")
	require.Equal(t, 4, count(a))
	require.Equal(t, 3, a.Stacks[0].N, "most first")
	require.Contains(t, a.Stacks[0].Stack, "goroutines_test.go:")
	require.Equal(t, "/shop/a", a.Stacks[0].Path)
	require.Equal(t, 2, count(get[view.Goroutines](t, o, "/goroutines?path=inner")), "with those below it")
	require.Equal(t, a.At, get[view.Goroutines](t, o, "/goroutines?path=inner").At, "read once a second")
	require.Equal(t, http.StatusNotFound, do(o, local(http.MethodGet, "/goroutines?path=none", "")).Code)
}

func TestVeryManyGoroutinesAreReadOnlyWhenAskedTwice(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("starts 100,001 goroutines")
	}
	root := start(t, supervisor.Spec{Around: observer.Label, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		const n = 100_001
		done := make(chan struct{})
		for range n {
			go func() { <-ctx.Done(); done <- struct{}{} }()
		}
		err := idle(ctx)
		for range n {
			<-done
		}
		return err
	}}}})
	o := observe(t, root, observer.Spec{})
	w := do(o, local(http.MethodGet, "/goroutines?path=a", ""))
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Contains(t, w.Body.String(), "force=1")
	v := get[view.Goroutines](t, o, "/goroutines?path=a&force=1")
	require.Equal(t, 100_002, v.Labeled)
}

func TestLabelKeepsTheContextOfTheRun(t *testing.T) {
	root := start(t, supervisor.Spec{Around: observer.Label, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		require.Equal(t, "/shop/a", ctx.Path())
		s, ok := supervisor.FromContext(ctx)
		require.True(t, ok)
		require.Equal(t, "/shop", s.Path())
		return idle(ctx)
	}}}})
	require.NoError(t, root.Stop(context.Background()))
}
