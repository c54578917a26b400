package supervisor_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// requireNested requires that Nested finds want; nil means that it finds nothing.
func requireNested(t *testing.T, want, at *supervisor.Supervisor, paths ...string) {
	t.Helper()
	for _, path := range paths {
		got, ok := at.Nested(path)
		require.Equal(t, want != nil, ok, path)
		require.True(t, got == want, "%s: it is another", path)
	}
}

func TestNestedFindsASupervisorOfAnyDepth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mail := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		jobs := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: mail.Run}}})
		shop := newRoot(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: idle}, {Name: "jobs", Run: jobs.Run}}})
		requireNested(t, nil, shop, "jobs", "/shop/jobs")

		require.NoError(t, shop.Start(t.Context()))
		requireNested(t, jobs, shop, "jobs", "/shop/jobs")
		requireNested(t, mail, shop, "jobs/mail", "/shop/jobs/mail")
		requireNested(t, mail, jobs, "mail", "/shop/jobs/mail")
		requireNested(t, jobs, mail, "/shop/jobs")
		requireNested(t, nil, shop, "db", "nobody", "jobs/nobody", "jobs/mail/x", "db/x", "/shop", "/other/jobs", "", "/")

		require.NoError(t, shop.Stop(t.Context()))
		requireNested(t, nil, shop, "jobs", "/shop/jobs/mail")
	})
}

func TestNestedFindsTheSupervisorThatRanLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var refuses atomic.Bool
		made := make(chan *supervisor.Supervisor, 1)
		end := make(chan error)
		run := func(ctx child.Context) error { // a new one in each run
			if refuses.Load() {
				return errBoom
			}
			sup := newRoot(supervisor.Spec{
				Intensity: strategy.AtMost(0, time.Second),
				Children:  []child.Spec{{Name: "a", Run: failsWith(end)}},
			})
			made <- sup
			return sup.Run(ctx)
		}
		root := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "jobs", Run: run, Backoff: child.Constant(time.Minute)},
		}})
		first := <-made
		requireNested(t, first, root, "jobs")

		refuses.Store(true)
		end <- errBoom
		time.Sleep(time.Second)
		require.Equal(t, child.Waiting, state(t, root, "jobs"))
		requireNested(t, first, root, "jobs")
		requireNested(t, nil, root, "jobs/a") // the way leads through one that has ended
		time.Sleep(time.Minute)
		require.Equal(t, child.Waiting, state(t, root, "jobs"))
		requireNested(t, first, root, "jobs") // the last run had none

		refuses.Store(false)
		second := <-made
		synctest.Wait()
		requireNested(t, second, root, "jobs")
		require.NoError(t, root.StopChild(t.Context(), "jobs"))
		requireNested(t, second, root, "jobs")
		require.NoError(t, root.RemoveChild(t.Context(), "jobs"))
		requireNested(t, nil, root, "jobs")
	})
}

// failsWith is a Run that is ready and fails with what it gets from c.
func failsWith(c <-chan error) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-c:
			return err
		}
	}
}
