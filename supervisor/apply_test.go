package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// versions returns specs of idle children, from "name version" each.
func versions(all ...string) (specs []child.Spec) {
	for _, one := range all {
		name, version, _ := strings.Cut(one, " ")
		specs = append(specs, child.Spec{Name: name, Version: version, Run: idle})
	}
	return specs
}

// desires returns the spec of the supervisor with other children.
func desires(sup *supervisor.Supervisor, children ...child.Spec) supervisor.Spec {
	want := sup.Spec()
	want.Children = children
	return want
}

// declares returns the declaration of the supervisor as "name version" each.
func declares(sup *supervisor.Supervisor) (all []string) {
	for _, c := range sup.Spec().Children {
		all = append(all, c.Name+" "+c.Version)
	}
	return all
}

func TestApplyRemovesReplacesAndAdds(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: versions("a 1", "b 1", "c 1", "d 1", "e 1")})
		b, _ := sup.Lookup("b")
		r := record(t, sup)
		want := desires(sup, versions("n 1", "b 1", "a 2", "e 1")...)

		plan, err := sup.Plan(want)
		require.NoError(t, err)
		require.Empty(t, r.take(), "Plan changes nothing")
		changes, err := sup.Apply(t.Context(), want)
		require.NoError(t, err)
		require.Equal(t, plan, changes)
		require.Equal(t, "+ n   ~ a   - d, c   reordered   = 2 unchanged", changes.String())
		if s != strategy.Independent {
			require.Equal(t, []string{
				"applying", "stopping d", "stopped d", "removed d", "stopping c", "stopped c", "removed c",
				"starting n", "ready n", "stopping a", "stopped a", "starting a", "ready a", "applied",
			}, r.lines())
		}
		require.Equal(t, []string{"n", "b", "a", "e"}, names(sup.Children()), "in the desired order")
		require.Equal(t, []string{"n 1", "b 1", "a 2", "e 1"}, declares(sup))
		after, _ := sup.Lookup("b")
		require.Equal(t, b, after, "what did not change was not touched")
		require.NoError(t, sup.Health())
		for _, c := range sup.Children() {
			require.False(t, c.Added, "all are declared")
		}
	})
}

func TestApplyOfWhatIsThereDoesNothing(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		specs := append(versions("a 1", "b 1", "c 1"), child.Spec{
			Name: "job", Version: "1", Restart: child.Temporary, Run: child.Task(func(context.Context) error { return nil }),
		})
		sup := start(t, supervisor.Spec{Strategy: s, Children: specs})
		require.NoError(t, sup.StopChild(t.Context(), "b")) // by hand
		require.NoError(t, sup.RemoveChild(t.Context(), "c"))
		synctest.Wait()
		_, there := sup.Lookup("job")
		require.False(t, there, "it has ended")
		r := record(t, sup, everyKind()...)
		changes, err := sup.Apply(t.Context(), desires(sup, specs...))
		require.NoError(t, err)
		require.True(t, changes.Empty())
		require.Equal(t, "= 4 unchanged", changes.String())
		require.Empty(t, r.take(), "not even an event")
	})
}

func TestApplyTakesOverSettingsWithoutARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: versions("a 1", "b 1")})
		r := record(t, sup)
		want := desires(sup, versions("a 1", "b 1")...)
		want.Strategy, want.Intensity = strategy.OneForAll, strategy.AtMost(7, time.Second)
		want.Children[1].StopTimeout = time.Minute
		want.Children[1].Restart = child.Transient
		changes, err := sup.Apply(t.Context(), want)
		require.NoError(t, err)
		require.Equal(t, "* b   settings: Strategy, Intensity   = 1 unchanged", changes.String())
		require.Equal(t, []string{"applying", "applied"}, r.lines())
		b, _ := sup.LookupSpec("b")
		require.Equal(t, time.Minute, b.StopTimeout)
		require.Equal(t, child.Transient, b.Restart)
		require.Equal(t, strategy.OneForAll, sup.Tree().Strategy)
		require.Equal(t, strategy.AtMost(7, time.Second), sup.Tree().Intensity)
		text, err := json.Marshal(changes)
		require.NoError(t, err)
		require.JSONEq(t, `{"updated":["b"],"settings":["Strategy","Intensity"],"unchanged":1}`, string(text))
	})
}

func TestApplyGivesAChildThatDoesNotBecomeReadyItsOldSpecBack(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Intensity: none, Children: versions("a 1", "b 1", "c 1")})
		r := record(t, sup)
		want := desires(sup, versions("b 2", "a 1", "c 2", "n 1")...)
		want.Children[0].Run = failing
		want.MaxChildren = 9
		changes, err := sup.Apply(t.Context(), want)
		require.EqualError(t, err, "/root/b: not ready with its new spec: boom; it runs with its old one again")
		require.ErrorIs(t, err, errBoom)
		require.NoError(t, sup.Health(), "what ran before runs again")
		if s == strategy.Independent { // the others were started beside it
			require.Equal(t, "+ n   ~ c   = 2 unchanged", changes.String())
			require.Equal(t, []string{"a 1", "b 1", "c 2", "n 1"}, declares(sup))
			return
		}
		require.Equal(t, "= 3 unchanged", changes.String())
		require.Equal(t, []string{"a 1", "b 1", "c 1"}, declares(sup), "the rest is as it was")
		require.Equal(t, []string{"a", "b", "c"}, names(sup.Children()))
		require.Zero(t, sup.Spec().MaxChildren)
		require.Equal(t, []string{
			"applying", "stopping b", "stopped b", "starting b", "failed b", "restarting b", "starting b", "ready b", "applied",
		}, r.lines())
		b, _ := sup.Lookup("b")
		require.Equal(t, 1, b.Restarts)
		require.ErrorIs(t, b.LastError, errBoom)
		events := r.Events()
		applied := events[len(events)-1]
		require.Equal(t, err.Error(), applied.Err.Error())
		require.Equal(t, "= 3 unchanged", applied.Text)
		require.True(t, applied.Changes.Empty())
	})
}

func TestApplyWhoseOldSpecDoesNotComeUpEitherIsAFailureLikeAnyOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var down atomic.Bool
		spec := child.Spec{Name: "a", Version: "1", Backoff: child.Constant(time.Second), Run: func(ctx child.Context) error {
			if down.Load() {
				return errBoom
			}
			return idle(ctx)
		}}
		sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
		down.Store(true)
		spec.Version = "2"
		_, err := sup.Apply(t.Context(), desires(sup, spec))
		require.EqualError(t, err, "/root/a: not ready with its new spec: boom; nor with its old one: boom")
		require.Error(t, sup.Health())
		require.Equal(t, child.Waiting, state(t, sup, "a"), "it is restarted like any other child")
		require.Equal(t, []string{"a 1"}, declares(sup))
		down.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, sup.Health())
	})
}

func TestApplyAbandonsARunThatDoesNotStopAndGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		stuck := func(ctx child.Context) error {
			_ = ctx.Ready()
			<-free
			return nil
		}
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Version: "1", Run: stuck, StopTimeout: time.Second}, {Name: "b", Version: "1", Run: stuck, StopTimeout: time.Second},
		}})
		changes, err := sup.Apply(t.Context(), desires(sup, versions("b 2", "c 1")...))
		var stop *supervisor.StopError
		require.ErrorAs(t, err, &stop)
		require.Len(t, stop.Abandoned, 2)
		require.EqualError(t, err, "2 children did not stop: /root/a within 1s, /root/b within 1s")
		require.Equal(t, "+ c   ~ b   - a   = 0 unchanged", changes.String())
		require.Equal(t, []string{"b 2", "c 1"}, declares(sup))
		require.NoError(t, sup.Health())
		close(free)
	})
}

// Neither the start nor the stop of the child ends in time.
func TestApplyWhoseContextEndsTakesBackWhatIsInProgress(t *testing.T) {
	for name, run := range map[string]func(child.Context) error{
		"start": slow(time.Hour, time.Second), "stop": idle, "backoff": failing,
	} {
		for _, s := range allStrategies {
			t.Run(fmt.Sprint(name, " under ", s), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					spec := child.Spec{Name: "a", Version: "1", Run: slow(0, 2*time.Second)}
					sup := start(t, supervisor.Spec{Strategy: s, Children: append(versions("z 1"), spec)})
					ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("late"))
					defer cancel()
					if name == "stop" {
						ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, errors.New("late"))
						defer cancel()
					}
					spec.Version, spec.Run = "2", run
					if name == "backoff" {
						spec.RetryStart, spec.Backoff = true, child.Constant(time.Minute)
					}
					began := time.Now()
					_, err := sup.Apply(ctx, desires(sup, append(versions("z 1"), spec)...))
					require.ErrorContains(t, err, "/root/a: late")
					require.LessOrEqual(t, time.Since(began), 3*time.Second, "it does not wait for what it takes back")
					require.Equal(t, []string{"z 1", "a 1"}, declares(sup))
					time.Sleep(4 * time.Second)
					require.NoError(t, sup.Health())
					a, _ := sup.LookupSpec("a")
					require.Equal(t, "1", a.Version)
				})
			})
		}
	}
}

func TestApplyWhoseContextEndsRemovesWhatItAdds(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: versions("a 1")})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		want := desires(sup, versions("a 1", "n 1")...)
		want.Children[1].Run = slow(time.Hour, time.Second)
		changes, err := sup.Apply(ctx, want)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "still starting: /root/n (for 1s)")
		require.Equal(t, "= 1 unchanged", changes.String())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a"}, names(sup.Children()))
		require.Equal(t, []string{"a 1"}, declares(sup))
	})
}

func TestApplyWhoseContextEndsDuringARemoval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: append(versions("a 1"), child.Spec{Name: "b", Version: "1", Run: slow(0, 2*time.Second)})})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := sup.Apply(ctx, desires(sup, versions("n 1")...))
		require.EqualError(t, err, "/root/b: context deadline exceeded")
		require.Equal(t, []string{"a 1"}, declares(sup), "b is on its way out, a was not touched")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a"}, names(sup.Children()))
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}

func TestApplyStartsAChildThatIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		job := child.Spec{Name: "job", Version: "1", Restart: child.Transient, Run: child.Task(func(context.Context) error { return nil })}
		sup := start(t, supervisor.Spec{Children: append(versions("a 1"), job)})
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		synctest.Wait()
		require.Equal(t, child.Done, state(t, sup, "job"))

		job.Version, job.Run = "2", failing
		_, err := sup.Apply(t.Context(), desires(sup, append(versions("a 1"), job)...))
		require.EqualError(t, err, "/root/job: not ready with its new spec: boom; it is down, as before")
		require.Equal(t, child.Done, state(t, sup, "job"), "it is down as before")
		spec, _ := sup.LookupSpec("job")
		require.Equal(t, "1", spec.Version)

		job.Run = idle
		_, err = sup.Apply(t.Context(), desires(sup, append(versions("a 2"), job)...))
		require.NoError(t, err)
		require.Equal(t, child.Running, state(t, sup, "a"))
		require.Equal(t, child.Running, state(t, sup, "job"))
	})
}

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

func TestApplyAdoptsAChildThatStartChildHasAdded(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: versions("a 1")})
		require.NoError(t, sup.StartChild(t.Context(), versions("same 1", "other 1", "mine")...))
		before, _ := sup.Lookup("same")
		changes, err := sup.Apply(t.Context(), desires(sup, versions("a 1", "same 1", "other 2")...))
		require.NoError(t, err)
		require.Equal(t, "~ other   * same   = 1 unchanged", changes.String())
		require.Equal(t, []string{"a", "same", "other", "mine"}, names(sup.Children()), "what StartChild has added stays")
		after, _ := sup.Lookup("same")
		require.Equal(t, before.Run, after.Run)
		require.False(t, after.Added)
		mine, _ := sup.Lookup("mine")
		require.True(t, mine.Added)
	})
}

func TestApplyRefusesAnInvalidDesiredSpec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{MaxChildren: 3, Children: versions("a 1", "b 1")})
		require.NoError(t, sup.StartChild(t.Context(), versions("mine")...))
		r := record(t, sup, everyKind()...)
		for problem, want := range map[string]supervisor.Spec{
			"/root/b: Version: empty: Apply compares it with that of the child":                                              desires(sup, versions("a 1", "b")...),
			"/root/a: Name: already in use by another child":                                                                 desires(sup, versions("a 1", "a 2")...),
			"/root: the desired spec has no children; to remove all of them, Upgrade to that spec and then call RemoveChild": desires(sup),
			"/root: a running supervisor cannot become or cease to be independent":                                           {Strategy: strategy.Independent, Children: versions("a 1")},
			"/root: a running root cannot change its name":                                                                   {Name: "other", Children: versions("a 1")},
			"/root: too many children: 4 with those that StartChild has added, but MaxChildren is 3":                         desires(sup, versions("a 1", "b 1", "c 1")...),
		} {
			for call, do := range map[string]func() (supervisor.Changes, error){
				"Apply": func() (supervisor.Changes, error) { return sup.Apply(t.Context(), want) },
				"Plan":  func() (supervisor.Changes, error) { return sup.Plan(want) },
			} {
				changes, err := do()
				require.EqualError(t, err, problem, call)
				require.Zero(t, changes)
			}
		}
		require.Empty(t, r.take())
		var none context.Context // a nil literal would be reported by linters
		_, err := sup.Apply(none, desires(sup, versions("a 1")...))
		require.EqualError(t, err, "coppice: nil context")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = sup.Apply(ended, desires(sup, versions("a 2")...))
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, r.take())

		// As the error says:
		require.NoError(t, sup.Upgrade(desires(sup)))
		require.NoError(t, sup.RemoveChild(t.Context(), "a", "b"))
		_, err = sup.Apply(t.Context(), desires(sup))
		require.NoError(t, err)
		require.Equal(t, []string{"mine"}, names(sup.Children()))
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

func TestEventsOfAnApplySayWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, r := recorded(t, supervisor.Spec{Children: versions("a 1", "b 1")})
		r.take()
		_, err := sup.Apply(byAlice(t), desires(sup, versions("a 2", "c 1")...))
		require.NoError(t, err)
		require.Equal(t, []string{
			"applying : none by alice",
			"stopping /b: apply by alice, because applying ", "stopped /b: apply by alice, because applying ", "removed /b: apply by alice, because applying ",
			"stopping /a: apply by alice, because applying ", "stopped /a: apply by alice, because applying ",
			"starting /a: apply by alice, because applying ", "ready /a: apply by alice, because applying ",
			"starting /c: apply by alice, because applying ", "ready /c: apply by alice, because applying ",
			"applied : none by alice, because applying ",
		}, r.reasons())
		events := r.Events()
		applied := events[len(events)-1]
		require.Equal(t, "applied /root: + c   ~ a   - b   = 0 unchanged by alice", applied.String())
	})
}

func TestTheLogTellsOfAnApply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelInfo)
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: versions("a 1")})
		said := len(log.lines())
		_, err := sup.Apply(byAlice(t), desires(sup, versions("a 2")...))
		require.NoError(t, err)
		want := desires(sup, versions("a 3")...)
		want.Children[0].Run = failing
		_, err = sup.Apply(t.Context(), want)
		require.Error(t, err)
		require.Equal(t, []string{
			`level=INFO msg="coppice: applying" path=/root text="~ a   = 0 unchanged" by=alice`,
			`level=INFO msg="coppice: applied" path=/root text="~ a   = 0 unchanged" by=alice`,
			`level=INFO msg="coppice: applying" path=/root text="~ a   = 0 unchanged"`,
			`level=ERROR msg="coppice: failed" path=/root/a err=boom next="restart 1 at once"`,
			`level=INFO msg="coppice: ready" path=/root/a restarts=1`,
			`level=WARN msg="coppice: applied" path=/root err="/root/a: not ready with its new spec: boom; it runs with its old one again" text="= 1 unchanged"`,
		}, log.lines()[said:])
	})
}

// Replacing one of very many children costs in proportion to their number, not to its square.
func TestApplyToManyChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 2000
		specs := func(version string) (all []child.Spec) {
			for i := range n {
				all = append(all, child.Spec{Name: fmt.Sprint("c", i), Version: version, Run: idle})
			}
			return all
		}
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Children: specs("1")})
		changes, err := sup.Apply(t.Context(), desires(sup, append(specs("2"), versions("n 1")...)...))
		require.NoError(t, err)
		require.Len(t, changes.Replaced, n)
		require.Equal(t, "+ n   ~ c0, c1, c2, c3, c4 and 1995 more   = 0 unchanged", changes.String())
		require.NoError(t, sup.Health())
	})
}
