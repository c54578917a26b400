package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestStartedSupervisorCannotBeStartedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "a", Run: slow(0, time.Second)}}})
		refused := func(when string) {
			for name, err := range map[string]error{
				"Serve": sup.Serve(t.Context()),
				"Start": sup.Start(t.Context()),
				"Run":   sup.Run(child.FromContext(t.Context())),
			} {
				require.ErrorIs(t, err, supervisor.ErrAlreadyStarted, "%s %s", name, when)
				require.EqualError(t, err, "/shop: already started")
			}
		}
		refused("while it runs")
		go func() { _ = sup.Stop(t.Context()) }()
		synctest.Wait()
		refused("while it stops")
		<-sup.Done()
		require.NoError(t, sup.Start(t.Context()))
	})
}

func TestStartingSupervisorCannotBeStartedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: slow(time.Hour, 0)}}})
		go func() { _ = sup.Start(t.Context()) }()
		synctest.Wait()
		require.ErrorIs(t, sup.Start(t.Context()), supervisor.ErrAlreadyStarted)
		require.ErrorIs(t, sup.Serve(t.Context()), supervisor.ErrAlreadyStarted)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestEveryStartIsANewLifeFromTheSpec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run}, {Name: "b", Run: idle}, {Name: "c", Run: idle},
		}})
		for range 3 {
			for range 3 { // all that are permitted in 5 s
				p.end(errBoom)
			}
			require.Equal(t, 3, lookup(t, sup, "a").Restarts)
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "d", Run: idle}))
			require.NoError(t, sup.RemoveChild(t.Context(), "b"))
			require.NoError(t, sup.StopChild(t.Context(), "c"))
			sup.Suspend(t.Context())
			require.NoError(t, sup.Stop(t.Context()))

			require.NoError(t, sup.Start(t.Context()))
			require.Equal(t, []string{"a", "b", "c"}, names(sup.Children(child.Running)))
			require.Len(t, sup.Children(), 3)
			require.Zero(t, lookup(t, sup, "a").Restarts)
			require.NoError(t, lookup(t, sup, "a").LastError)
		}
	})
}

func TestAfterAFailedStartItMayBeStartedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tries := 0
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if tries++; tries == 1 {
				return errBoom
			}
			return idle(ctx)
		}}}})
		require.ErrorIs(t, sup.Start(t.Context()), errBoom)
		require.NoError(t, sup.Start(t.Context()))
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Wait())
	})
}

func TestNestedSupervisorIsStartedAndStoppedByItsParentAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		for name, err := range map[string]error{
			"Serve": inner.Serve(t.Context()),
			"Start": inner.Start(t.Context()),
			"Stop":  inner.Stop(t.Context()),
		} {
			require.ErrorIs(t, err, supervisor.ErrNested, name)
			require.EqualError(t, err, "/root/inner: runs under another supervisor", name)
		}
		require.Equal(t, child.Running, lookup(t, inner, "x").State)

		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, inner.Stop(t.Context()), "after its end it has no parent")
		require.NoError(t, inner.Start(t.Context()))
		require.Equal(t, "/root", inner.Path())
		require.NoError(t, inner.Stop(t.Context()))
	})
}

func TestSupervisorRunsInOnePlaceAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "one", Run: inner.Run}, {Name: "two", Run: inner.Run},
		}})
		err := sup.Start(t.Context())
		require.ErrorIs(t, err, supervisor.ErrAlreadyStarted)
		require.ErrorContains(t, err, "/root/two")
		require.Zero(t, sup.Count().Active+inner.Count().Active)

		first := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		second := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		require.ErrorIs(t, second.Start(t.Context()), supervisor.ErrAlreadyStarted)
		require.Same(t, first, inner.Root())
		require.Equal(t, child.Running, lookup(t, first, "inner/x").State)
	})
}

func TestOneChildRunsOneSupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		two := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "y", Run: mustNotRun}}})
		refused := make(chan error)
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "both", Run: func(ctx child.Context) error {
			go func() {
				time.Sleep(time.Second)
				refused <- two.Run(ctx)
			}()
			return one.Run(ctx)
		}}}})
		err := <-refused
		require.ErrorIs(t, err, supervisor.ErrNested)
		require.ErrorContains(t, err, "/root/both: ")
		require.ErrorIs(t, two.Wait(), supervisor.ErrNotRunning, "it has never been started")
		require.Equal(t, child.Running, lookup(t, sup, "both/x").State)
	})
}

func TestOneChildMayRunOneSupervisorAfterAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one := supervisor.New(supervisor.Spec{AutoShutdown: 1, Children: []child.Spec{
			{Name: "x", Run: child.Task(noWork), Restart: child.Transient, Significant: true},
		}})
		two := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "y", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "both", Run: func(ctx child.Context) error {
			if err := one.Run(ctx); err != nil {
				return err
			}
			return two.Run(ctx)
		}}}})
		require.Equal(t, child.Running, lookup(t, sup, "both/y").State)
		require.Equal(t, "/root/both", two.Path())
	})
}

func TestSupervisorCannotBeAChildOfItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sup *supervisor.Supervisor
		self := func(ctx child.Context) error { return sup.Run(ctx) }
		sup = newRoot(supervisor.Spec{Children: []child.Spec{{Name: "self", Run: self}}})
		require.ErrorIs(t, sup.Start(t.Context()), supervisor.ErrAlreadyStarted)

		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "root", Run: self}}})
		sup = newRoot(supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		require.ErrorIs(t, sup.Serve(t.Context()), supervisor.ErrAlreadyStarted)
		require.Zero(t, sup.Count().Active+inner.Count().Active)
	})
}

func TestRunOutsideOfATreeRunsByItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- sup.Run(child.FromContext(ctx)) }()
		require.Equal(t, child.Running, lookup(t, sup, "a").State)
		cancel()
		require.NoError(t, <-ended)
	})
}

func TestWaitAndDoneReportTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: slow(time.Second, time.Second)}}})
		require.ErrorIs(t, sup.Wait(), supervisor.ErrNotRunning)
		<-sup.Done()

		go func() { _ = sup.Start(t.Context()) }()
		synctest.Wait() // it starts
		done := sup.Done()
		waited := make(chan error)
		for range 3 {
			go func() { waited <- sup.Wait() }()
		}
		open := func() {
			synctest.Wait()
			select {
			case <-done:
				t.Fatal("it has not ended")
			case <-waited:
				t.Fatal("it has not ended")
			default:
			}
		}
		open()
		time.Sleep(time.Second) // it runs
		open()
		go func() { _ = sup.Stop(t.Context()) }() // it stops
		open()
		<-done
		for range 3 {
			require.NoError(t, <-waited)
		}
		require.NoError(t, sup.Wait())

		require.NoError(t, sup.Start(t.Context()))
		require.NotEqual(t, done, sup.Done(), "each life has its own")
		require.NoError(t, sup.Stop(t.Context()))
	})
}
