package supervisor_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// What a status says to a person who has to act.

// A child may have an error of long ago. Failing says whether that is why it waits or starts.
func TestFailingIsAChildThatHasFailedAndIsNotReadyAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, slow := newPuppet(), &supervisortest.Child{ReadyAfter: time.Minute}
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "p", Run: p.Run}, {Name: "slow", Run: slow.Run},
		}})
		check := func(name string, state child.State, failing bool) {
			t.Helper()
			synctest.Wait()
			st := lookup(t, sup, name)
			require.Equal(t, state, st.State)
			require.Equal(t, failing, st.Failing)
			text, err := json.Marshal(st)
			require.NoError(t, err)
			require.Equal(t, failing, strings.Contains(string(text), `"failing":true`))
		}
		check("p", child.Running, false)

		sup.Suspend(t.Context())
		p.end(errBoom)
		check("p", child.Waiting, true)
		check("slow", child.Waiting, false) // for its group
		sup.Resume(t.Context())
		check("p", child.Running, false)
		check("slow", child.Starting, false)
		time.Sleep(time.Minute)
		require.Error(t, lookup(t, sup, "p").LastError)

		sup.Suspend(t.Context())
		p.end(nil) // it is Permanent, so it is restarted, but it has not failed
		check("p", child.Waiting, false)
		sup.Resume(t.Context())
		check("p", child.Running, false)
	})
	bubble(t, func(t *testing.T) {
		db := &supervisortest.Child{ReadyAfter: time.Minute, RunFor: time.Hour, EndWith: errBoom}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run, Backoff: child.Constant(time.Minute)}}})
		failing := func() bool { synctest.Wait(); return lookup(t, sup, "db").Failing }
		require.False(t, failing())
		time.Sleep(time.Hour + time.Second)
		require.True(t, failing(), "it waits for its restart")
		time.Sleep(time.Minute)
		require.Equal(t, child.Starting, lookup(t, sup, "db").State)
		require.True(t, failing(), "it starts again")
		time.Sleep(time.Minute)
		require.False(t, failing(), "it is ready")
		require.Equal(t, 1, lookup(t, sup, "db").Restarts)

		go func() { _ = sup.RestartChild(t.Context(), "db") }()
		time.Sleep(time.Second)
		require.Equal(t, child.Starting, lookup(t, sup, "db").State)
		require.False(t, failing(), "it starts by request")
		time.Sleep(time.Hour + 2*time.Minute)
		require.True(t, failing())
		require.NoError(t, sup.StopChild(t.Context(), "db"))
		require.False(t, failing())
		go func() { _ = sup.RestartChild(t.Context(), "db") }()
		require.False(t, failing())
		time.Sleep(2 * time.Minute)
	})
}

func TestStopByIsWhenTheRunIsAbandoned(t *testing.T) {
	for name, test := range map[string]struct {
		spec   supervisor.Spec
		child  child.Spec
		stop   func(ctx context.Context, sup *supervisor.Supervisor)
		within time.Duration // zero: no limit
	}{
		"by the default":          {within: 5 * time.Second},
		"by its own timeout":      {child: child.Spec{StopTimeout: 3 * time.Second}, within: 3 * time.Second},
		"by one that few use":     {child: child.Spec{StopTimeout: 3*time.Second + 1}, within: 3*time.Second + 1},
		"without a limit":         {child: child.Spec{StopTimeout: child.Forever}},
		"by that of the tree":     {spec: supervisor.Spec{StopTimeout: 2 * time.Second}, stop: stopTree, within: 2 * time.Second},
		"by the earlier of both":  {spec: supervisor.Spec{StopTimeout: time.Hour}, child: child.Spec{StopTimeout: time.Second}, stop: stopTree, within: time.Second},
		"of the tree, for ever":   {spec: supervisor.Spec{StopTimeout: 4 * time.Second}, child: child.Spec{StopTimeout: child.Forever}, stop: stopTree, within: 4 * time.Second},
		"of nobody, all for ever": {child: child.Spec{StopTimeout: child.Forever}, stop: stopTree},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				deaf := &supervisortest.Child{StopAfter: child.Forever}
				test.child.Name, test.child.Run = "a", deaf.Run
				test.spec.Children = []child.Spec{test.child}
				sup := startLoosely(t, test.spec)
				require.Zero(t, lookup(t, sup, "a").StopBy)
				if test.stop == nil {
					test.stop = func(ctx context.Context, sup *supervisor.Supervisor) { _ = sup.StopChild(ctx, "a") }
				}
				go test.stop(t.Context(), sup)
				synctest.Wait()
				began := time.Now()
				time.Sleep(time.Second / 2)
				st := sup.Children()[0]
				require.Equal(t, child.Stopping, st.State)
				if test.within == 0 {
					require.Zero(t, st.StopBy)
				} else {
					require.Equal(t, began.Add(test.within), st.StopBy)
					time.Sleep(time.Until(st.StopBy) - 1)
					require.Equal(t, child.Stopping, sup.Children()[0].State)
					time.Sleep(time.Nanosecond)
					synctest.Wait()
					require.NotEqual(t, child.Stopping, sup.Tree().Children[0].State, "as said")
					require.Zero(t, sup.Children()[0].StopBy)
				}
				deaf.Release()
			})
		})
	}
}

func stopTree(ctx context.Context, sup *supervisor.Supervisor) { _ = sup.Stop(ctx) }

func TestStopByOfASupervisorThatStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: deaf.Run, StopTimeout: child.Forever}}})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run, StopTimeout: 10 * time.Second}}})
		go func() { _ = sup.StopChild(t.Context(), "in") }()
		synctest.Wait()
		began := time.Now()
		require.Equal(t, began.Add(10*time.Second), lookup(t, sup, "in").StopBy)
		time.Sleep(9500 * time.Millisecond) // all of its children are cancelled by now
		require.Equal(t, began.Add(10*time.Second), lookup(t, sup, "in").StopBy)
		deaf.Release()
	})
}

func TestStatusSaysWhatEndedAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, late := newPuppet(), make(chan struct{})
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "x", Run: p.Run}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "hangs", Heartbeat: time.Second, Backoff: child.Constant(time.Minute), Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				<-late
				return nil
			}},
			{Name: "declines", Run: func(child.Context) error { return child.ErrIgnore }},
			{Name: "in", Run: inner.Run, Restart: child.Transient},
			{Name: "plain", Run: idle},
		}})
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "job", Run: idle}))
		require.True(t, lookup(t, sup, "declines").Declined)
		require.True(t, lookup(t, sup, "job").Added)
		require.False(t, lookup(t, sup, "plain").Added)
		p.end(errBoom)
		require.True(t, lookup(t, sup, "in").GaveUp)
		require.Equal(t, child.Done, state(t, sup, "in"))

		require.False(t, lookup(t, sup, "hangs").Hung)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, child.Stopping, state(t, sup, "hangs"))
		require.True(t, lookup(t, sup, "hangs").Hung)
		close(late)
		synctest.Wait()
		require.Equal(t, child.Waiting, state(t, sup, "hangs"))
		require.True(t, lookup(t, sup, "hangs").Hung)
		require.Contains(t, sup.Tree().String(), "hung")
		require.NoError(t, sup.RestartChild(t.Context(), "hangs", "in", "declines"))
		require.False(t, lookup(t, sup, "hangs").Hung)
		require.False(t, lookup(t, sup, "in").GaveUp)

		text, err := json.Marshal(sup.Tree())
		require.NoError(t, err)
		for _, field := range []string{`"added":true`, `"declined":true`} {
			require.Contains(t, string(text), field)
		}
	})
}

// A root says that it gave up while its children still stop.
func TestStatusOfARootThatGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		slow := &supervisortest.Child{StopAfter: time.Second}
		sup := startLoosely(t, supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{
			{Name: "slow", Run: slow.Run}, {Name: "a", Run: p.Run},
		}})
		require.False(t, sup.Status().GaveUp)
		p.end(errBoom)
		require.Equal(t, child.Stopping, sup.Status().State)
		require.True(t, sup.Status().GaveUp)
		_ = sup.Wait()
		require.True(t, sup.Status().GaveUp)
		require.NoError(t, sup.Start(t.Context()))
		require.False(t, sup.Status().GaveUp)
	})
}

func TestStatusOfASupervisorItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Name: "other", Children: []child.Spec{{Name: "x", Run: idle}}})
		require.Equal(t, child.Status{Name: "other", Path: "/other", Supervisor: true}, inner.Status(), "before the first start")
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		require.Equal(t, lookup(t, sup, "in"), inner.Status())
		require.Equal(t, sup.Tree().Status, sup.Status())
		require.NotZero(t, sup.Status().Since)

		inner.Suspend(t.Context())
		require.True(t, inner.Status().Suspended)
		require.True(t, sup.Children()[0].Suspended)
		require.True(t, sup.Tree().Children[0].Suspended)
		require.False(t, sup.Status().Suspended)
		require.Contains(t, sup.Tree().String(), "suspended")
		require.NoError(t, sup.RestartChild(t.Context(), "in"))
		require.False(t, inner.Status().Suspended, "a Suspend ends with the run of the supervisor")
		sup.Suspend(t.Context())
		require.True(t, sup.Status().Suspended)
		sup.Resume(t.Context())
		require.False(t, sup.Status().Suspended)
		sup.Suspend(t.Context())
		require.NoError(t, sup.Stop(t.Context()))
		require.False(t, sup.Status().Suspended, "it does not run")
	})
}

func TestTreeShowsHowManyRestartsCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(3, 10*time.Second), Children: []child.Spec{{Name: "x", Run: p.Run}}})
		sup := newRoot(supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		require.Zero(t, sup.Tree().Intensity)
		require.NoError(t, sup.Start(t.Context()))
		for want := range 3 {
			require.Equal(t, want, sup.Tree().Children[0].Counted)
			p.end(errBoom)
			time.Sleep(time.Second)
		}
		require.Equal(t, strategy.AtMost(3, 10*time.Second), sup.Tree().Children[0].Intensity)
		require.Equal(t, strategy.Unlimited(), sup.Tree().Intensity)
		require.Zero(t, sup.Tree().Counted)
		time.Sleep(7 * time.Second)
		require.Equal(t, 3, inner.Tree().Counted, "a restart one period ago still counts")
		time.Sleep(time.Nanosecond)
		require.Equal(t, 2, inner.Tree().Counted)
		require.NoError(t, sup.Stop(t.Context()))
		require.Zero(t, inner.Tree().Counted)
	})
}

func TestEventsSayHowLongAStartAndAStopTook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := &supervisortest.Child{ReadyAfter: 2 * time.Second, StopAfter: 3 * time.Second}
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: c.Run}, {Name: "deaf", Run: deaf.Run, StopTimeout: time.Second}}})
		r := record(t, sup, everyKind()...)
		require.NoError(t, sup.Start(t.Context()))
		require.Error(t, sup.Stop(t.Context()))
		took := map[string]time.Duration{}
		for _, e := range r.take() {
			took[e.String()] = e.Took
			text, err := json.Marshal(e)
			require.NoError(t, err)
			require.Equal(t, e.Took > 0, string(text) != "" && jsonHas(text, "took"))
		}
		require.Equal(t, 2*time.Second, took["ready /root/a"])
		require.Equal(t, 2*time.Second, took["up /root"])
		require.Equal(t, 3*time.Second, took["stopped /root/a"])
		require.Equal(t, time.Second, took["abandoned /root/deaf"])
		require.Zero(t, took["starting /root/a"])
		deaf.Release()
	})
}

// The time of the stop of a nested supervisor is part of the stop of its child.
func TestEventsSayHowLongTheStopOfASupervisorTook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &supervisortest.Child{StopAfter: 3 * time.Second}
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: slow.Run}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: func(ctx child.Context) error {
			err := inner.Run(ctx)
			time.Sleep(time.Second)
			return err
		}}}})
		r := record(t, sup, supervisor.EventStopped, supervisor.EventOver)
		time.Sleep(time.Minute)
		require.NoError(t, sup.StopChild(t.Context(), "in"))
		took := map[string]time.Duration{}
		for _, e := range r.take() {
			took[e.String()] = e.Took
		}
		require.Equal(t, map[string]time.Duration{
			"stopped /root/in/x": 3 * time.Second, "over /root/in": 3 * time.Second, "stopped /root/in": 4 * time.Second,
		}, took)
	})
}

func jsonHas(text []byte, field string) bool {
	var fields map[string]any
	return json.Unmarshal(text, &fields) == nil && fields[field] != nil
}

func TestLookupSpecAndSpec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := supervisor.Spec{Name: "shop", StopTimeout: time.Minute, Children: []child.Spec{{Name: "a", Run: idle, StartTimeout: time.Second}}}
		sup := supervisor.New(spec)
		_, ok := sup.LookupSpec("a")
		require.False(t, ok, "it is not running")
		require.Equal(t, time.Minute, sup.Spec().StopTimeout)
		sup.Spec().Children[0].Name = "changed" // a copy
		require.Equal(t, "a", sup.Spec().Children[0].Name)
		require.NoError(t, sup.Start(t.Context()))
		got, ok := sup.LookupSpec("/shop/a")
		require.True(t, ok)
		require.Equal(t, time.Second, got.StartTimeout)
		_, ok = sup.LookupSpec("b")
		require.False(t, ok)
		spec.Children = []child.Spec{{Name: "a", Run: idle, StartTimeout: time.Hour}}
		require.NoError(t, sup.Upgrade(spec))
		got, _ = sup.LookupSpec("a")
		require.Equal(t, time.Hour, got.StartTimeout)
		require.Equal(t, time.Hour, sup.Spec().Children[0].StartTimeout)
		require.NoError(t, sup.Stop(t.Context()))
	})
}
