package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestApplyDuringABackoffStartsTheChildAtOnce(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		p := newPuppet()
		spec := child.Spec{Name: "a", Version: "1", Run: p.Run, Backoff: child.Constant(time.Hour)}
		sup := start(t, supervisor.Spec{Strategy: s, Children: append([]child.Spec{spec}, versions("b 1")...)})
		p.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "a"))
		began := time.Now()
		_, err := sup.Apply(t.Context(), desires(sup, versions("a 2", "b 1")...))
		require.NoError(t, err)
		synctest.Wait() // b is restarted with its group
		require.NoError(t, sup.Health())
		require.Zero(t, time.Since(began))
	})
}

// The new specs are used when the group starts again.
func TestApplyDuringAGroupRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		specs := []child.Spec{{Name: "a", Version: "1", Run: p.Run}, {Name: "b", Version: "1", Run: slow(0, time.Second)}, {Name: "c", Version: "1", Run: idle}}
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: specs})
		p.end(errBoom) // b is stopping, with its group
		require.Equal(t, child.Stopping, state(t, sup, "b"))
		r := record(t, sup)
		want := desires(sup, versions("a 1", "b 2", "c 2", "n 1")...)
		want.Children[2].Run = failing
		changes, err := sup.Apply(t.Context(), want)
		require.EqualError(t, err, "/root/c: not ready with its new spec: boom; it runs with its old one again")
		require.Equal(t, "~ b   = 2 unchanged", changes.String())
		require.NoError(t, sup.Health())
		require.Equal(t, []string{"a 1", "b 2", "c 1"}, declares(sup))
		lines := r.lines()
		require.Equal(t, []string{"applying", "stopped b", "starting a", "ready a", "starting b", "ready b", "starting c"}, lines[:7])
		require.Equal(t, []string{"starting c", "failed c", "restarting c", "starting c", "ready c", "applied"}, lines[len(lines)-6:])
	})
}

func TestApplyWhileSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: versions("a 1", "b 1")})
		sup.Suspend(t.Context())
		_, err := sup.Apply(t.Context(), desires(sup, versions("a 2", "b 1")...))
		require.ErrorIs(t, err, supervisor.ErrSuspended)
		_, err = sup.Plan(desires(sup, versions("a 2", "b 1")...))
		require.ErrorIs(t, err, supervisor.ErrSuspended)
		changes, err := sup.Apply(t.Context(), desires(sup, versions("b 1")...))
		require.NoError(t, err, "a stop needs no start")
		require.Equal(t, "- a   = 1 unchanged", changes.String())
	})
}

func TestApplyDuringAStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Version: "1", Run: idle}, {Name: "b", Version: "1", Run: slow(0, time.Second)},
		}})
		r := record(t, sup, everyKind()...)
		require.NoError(t, sup.Start(t.Context()))
		var changes supervisor.Changes
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			want := desires(sup, versions("a 2", "b 2", "n 1")...)
			want.Children[1].Run = slow(0, time.Second)
			changes, err = sup.Apply(context.Background(), want)
		}()
		time.Sleep(time.Second / 2) // a is replaced, b is stopping
		require.NoError(t, sup.Stop(t.Context()))
		<-done
		require.ErrorIs(t, err, supervisor.ErrNotRunning)
		lines := r.lines()
		require.Less(t, slices.Index(lines, "applied"), slices.Index(lines, "closing"))
		require.Contains(t, lines, "applied")
		require.Equal(t, "~ a   = 1 unchanged", changes.String())
		require.Equal(t, []string{"a 2", "b 1"}, declares(sup), "the next start begins with what was reached")
		_, err = sup.Apply(t.Context(), desires(sup, versions("b 2")...))
		require.NoError(t, err, "it does not run: only its declaration changes")
		require.Equal(t, []string{"b 2"}, declares(sup))
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, []string{"b"}, names(sup.Children()))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestApplyWhileTheSupervisorStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Version: "1", Run: idle}, {Name: "b", Version: "1", Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)}, {Name: "c", Version: "1", Run: idle},
		}})
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		changes, err := sup.Apply(t.Context(), desires(sup, versions("a 1", "b 2", "c 2")...))
		require.NoError(t, err)
		require.Equal(t, "~ b, c   = 1 unchanged", changes.String())
		require.NoError(t, <-started)
		require.NoError(t, sup.Health())
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestTwoAppliesAreCarriedOutOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Version: "1", Run: slow(time.Second, time.Second)}}})
		time.Sleep(time.Second)
		apply := func(version string) chan error {
			done := make(chan error, 1)
			want := desires(sup, child.Spec{Name: "a", Version: version, Run: slow(time.Second, time.Second)})
			go func() {
				_, err := sup.Apply(t.Context(), want)
				done <- err
			}()
			synctest.Wait()
			return done
		}
		first := apply("2")
		second := apply("3")
		require.ErrorContains(t, sup.Upgrade(sup.Spec()), "an Apply is in progress")
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := sup.Apply(impatient, desires(sup, versions("a 4")...))
		require.EqualError(t, err, "/root: context deadline exceeded")
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.Equal(t, []string{"a 3"}, declares(sup))
		require.NoError(t, sup.Upgrade(sup.Spec()))
	})
}

func TestApplyFromAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var feeds, root *supervisor.Supervisor
		apply := make(chan supervisor.Spec)
		errs := make(chan error)
		caller := func(ctx child.Context) error {
			if _, err := root.Apply(ctx, desires(root, versions("x 1")...)); !errors.Is(err, child.ErrNotReady) {
				return fmt.Errorf("before it is ready: %w", err)
			}
			_ = ctx.Ready()
			for {
				select {
				case <-ctx.Done():
					return nil
				case want := <-apply:
					on := root
					if want.Name == "feeds" {
						on = feeds
					}
					_, err := on.Apply(ctx, want)
					errs <- err
				}
			}
		}
		feeds = supervisor.New(supervisor.Spec{Name: "feeds", Children: versions("eu 1")})
		root = newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "feeds", Version: "1", Run: feeds.Run}, {Name: "caller", Version: "1", Run: caller},
		}})
		require.NoError(t, root.Start(t.Context()))
		apply <- supervisor.Spec{Name: "feeds", Children: versions("eu 2", "us 1")}
		require.NoError(t, <-errs)
		require.Equal(t, []string{"eu", "us"}, names(feeds.Children()))

		apply <- supervisor.Spec{Children: []child.Spec{
			{Name: "feeds", Version: "1", Run: feeds.Run}, {Name: "caller", Version: "2", Run: caller},
		}}
		require.EqualError(t, <-errs, "/root: called from /root/caller, which it would have to stop: call Apply from a child of another supervisor")

		nested, ok := root.Nested("feeds")
		require.True(t, ok)
		_, err := nested.Apply(t.Context(), supervisor.Spec{Children: versions("eu 2")})
		require.NoError(t, err)
		require.Equal(t, []string{"eu"}, names(feeds.Children()))

		changes, err := root.Apply(t.Context(), supervisor.Spec{Children: append([]child.Spec{
			{Name: "feeds", Version: "1", Run: feeds.Run}, {Name: "caller", Version: "1", Run: caller},
		}, versions("n 1")...)})
		require.NoError(t, err)
		require.Equal(t, "+ n   settings: Logger   = 2 unchanged", changes.String())
		require.Equal(t, []string{"eu"}, names(feeds.Children()), "a nested supervisor is kept")
		require.NoError(t, root.Stop(t.Context()))
	})
}

func TestApplyFromASubscriber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: versions("a 1", "b 1")})
		done := make(chan error, 1)
		cancel := sup.Subscribe(func(e supervisor.Event) {
			_, err := sup.Apply(t.Context(), desires(sup, versions("b 2")...))
			done <- err
		}, supervisor.EventUnready)
		defer cancel()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "u", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			ctx.Unready(errBoom)
			<-ctx.Done()
			return nil
		}}))
		require.NoError(t, <-done)
		require.Equal(t, []string{"b", "u"}, names(sup.Children()))
	})
}
