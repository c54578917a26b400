package supervisortest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// leaky is a tree in which /root/jobs/b leaks a goroutine for each run.
func leaky() supervisor.Spec {
	a, b := &supervisortest.Child{}, &supervisortest.Child{Leak: true}
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "b", Run: b.Run}}})
	return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "jobs", Run: jobs.Run}}}
}

func TestNoLeaksNamesTheChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			over := make(chan struct{})
			spec := supervisortest.NoLeaks(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: leak(over)}}})
			sup := supervisortest.Start(t, spec)
			_ = sup.RestartChild(t.Context(), "a")
			time.AfterFunc(time.Second, func() { close(over) })
		})
		require.Contains(t, text, "leak: /root/a left 2 goroutines running: every goroutine must end before Run returns, or with its context:\n")
		require.Regexp(t, `\n    .*supervisortest_test.*leak\..*\n        .*/leak_test.go:\d+`, text, "the stack")
		time.Sleep(time.Second)
	})
}

// leak returns a Run that leaks a goroutine, which ends when over is closed.
func leak(over <-chan struct{}) func(child.Context) error {
	return func(ctx child.Context) error {
		go func() { <-over }()
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
}

func TestNoLeaksFindsDynamicChildrenAtAnyDepth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			over := make(chan struct{})
			jobs := supervisor.New(supervisor.Spec{})
			spec := supervisortest.NoLeaks(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
			supervisortest.Start(t, spec)
			_ = jobs.StartChild(t.Context(), child.Spec{Name: "job", Run: leak(over)})
			time.AfterFunc(time.Second, func() { close(over) })
		})
		require.Contains(t, text, "leak: /root/jobs/job left a goroutine running")
		time.Sleep(time.Second)
	})
}

// In real time, in parallel with a tree that leaks under the same names.
func TestNoLeaksIgnoresOtherTrees(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	defer close(over)
	spec := supervisor.Spec{Children: []child.Spec{{Name: "a", Run: leak(over)}}}
	text := failing.Test(t, func(t testing.TB) {
		supervisortest.Start(t, supervisortest.NoLeaks(t, spec))
		spec.Children[0].Run = (&supervisortest.Child{}).Run
		require.Empty(t, failing.Test(t, func(t testing.TB) {
			supervisortest.Start(t, supervisortest.NoLeaks(t, spec))
		}))
	})
	require.Contains(t, text, "leak: /root/a left a goroutine running")
}

func TestNoLeaksWaitsForGoroutinesThatEndWithTheContext(t *testing.T) {
	t.Parallel()
	supervisortest.Start(t, supervisortest.NoLeaks(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		for range 10 {
			go func() { <-ctx.Done() }()
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}}}}))
}

func TestRunFindsLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			supervisortest.Run(t, leaky, func(h *supervisortest.Harness) {})
		})
		require.Contains(t, text, "leak: /root/jobs/b left a goroutine running")
		require.NotContains(t, text, "/root/a left")
	})
}
