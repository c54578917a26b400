package supervisor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// failsWhenReady fails as soon as it is ready.
func failsWhenReady(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return errBoom
}

func TestForecastOfASingleLevel(t *testing.T) {
	for name, test := range map[string]struct {
		spec    supervisor.Spec
		child   child.Spec
		left    int
		givesUp time.Duration // after the first failure; negative: never
	}{
		"the default":         {supervisor.Spec{}, child.Spec{}, 3, 0},
		"no restart":          {supervisor.Spec{Intensity: strategy.AtMost(0, time.Second)}, child.Spec{}, 0, 0},
		"no limit":            {supervisor.Spec{Intensity: strategy.Unlimited()}, child.Spec{}, -1, -1},
		"a huge limit":        {supervisor.Spec{Intensity: strategy.AtMost(1_000_000, time.Second)}, child.Spec{}, -1, -1},
		"a backoff for ever":  {supervisor.Spec{Backoff: child.Constant(time.Second)}, child.Spec{}, -1, -1},
		"retries":             {supervisor.Spec{}, child.Spec{Backoff: child.Constant(time.Second).Retries(4)}, 4, 4 * time.Second},
		"that grow":           {supervisor.Spec{}, child.Spec{Backoff: child.Exponential(time.Second, time.Hour).Retries(4)}, 4, 15 * time.Second},
		"temporary":           {supervisor.Spec{}, child.Spec{Restart: child.Temporary}, -1, -1},
		"transient":           {supervisor.Spec{}, child.Spec{Restart: child.Transient}, 3, 0},
		"a policy that fails": {supervisor.Spec{}, child.Spec{Backoff: func() child.BackoffPolicy { panic("broken") }}, 0, 0},
		"a nil policy":        {supervisor.Spec{}, child.Spec{Backoff: func() child.BackoffPolicy { return nil }}, -1, -1},
		"centuries":           {supervisor.Spec{}, child.Spec{Backoff: child.Constant(child.Forever).Retries(1)}, -1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				test.child.Name, test.child.Run = "a", idle
				test.spec.Children = []child.Spec{test.child}
				sup := start(t, test.spec)
				f, ok := sup.Forecast("a")
				require.True(t, ok)
				require.Equal(t, test.left, f.Left)
				var want time.Time
				if test.givesUp >= 0 {
					want = time.Now().Add(test.givesUp)
				}
				require.Equal(t, want, f.GivesUp)
				require.Equal(t, f.GivesUp, f.Ends, "it is the root that gives up")
			})
		})
	}
}

func TestForecastOfNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}, {Name: "declines", Run: func(child.Context) error { return child.ErrIgnore }}}})
		none := func(path string) {
			f, ok := sup.Forecast(path)
			require.False(t, ok)
			require.Equal(t, supervisor.Forecast{Left: -1}, f)
		}
		none("a") // before the start
		require.NoError(t, sup.Start(t.Context()))
		none("declines")
		none("gone")
		none("a/b")
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		none("a")
		require.NoError(t, sup.Stop(t.Context()))
		none("a")
	})
}

// A supervisor that gave up is restarted only if it is Permanent.
func TestForecastEndsAtATransientSupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run, Restart: child.Transient}}})
		f, ok := sup.Forecast("in/a")
		require.True(t, ok)
		require.Equal(t, 3, f.Left)
		require.Equal(t, time.Now(), f.GivesUp)
		require.Zero(t, f.Ends)
	})
}

// In random trees a child fails as often as it can. At a random moment the
// forecast is taken. What then happens must be as it says, to the nanosecond.
func TestRandomTreesFailAsForecast(t *testing.T) {
	for seed := range uint64(randomTrees(t, 1000)) {
		bubble(t, func(t *testing.T) { forecastComesTrue(t, rand.New(rand.NewPCG(seed, 0))) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func forecastComesTrue(t *testing.T, rng *rand.Rand) {
	spec := child.Spec{Name: "x", Run: failsWhenReady}
	var sups []*supervisor.Supervisor
	path := "x"
	for depth := 1 + rng.IntN(3); depth > 0; depth-- {
		s := supervisor.Spec{Logger: quiet}
		switch rng.IntN(4) {
		case 0:
			s.Intensity = strategy.AtMost(rng.IntN(4), time.Duration(1+rng.IntN(10))*time.Second)
		case 1:
			spec.Backoff = child.Constant(time.Duration(rng.IntN(3000)) * time.Millisecond).Retries(rng.IntN(4))
		case 2:
			s.Backoff = child.Exponential(time.Second, 5*time.Second).Retries(1 + rng.IntN(5))
			spec.ResetAfter = time.Duration(1+rng.IntN(20)) * time.Second
		}
		s.Children = []child.Spec{spec}
		sup := supervisor.New(s)
		sups = append(sups, sup)
		name := fmt.Sprint("s", depth)
		spec = child.Spec{Name: name, Run: sup.Run}
		if depth > 1 {
			path = name + "/" + path
		}
	}
	root := sups[len(sups)-1]
	var gaveUp time.Time
	defer sups[0].Subscribe(func(e supervisor.Event) {
		if gaveUp.IsZero() {
			gaveUp = e.Time
		}
	}, supervisor.EventGaveUp)()
	end := make(chan error, 1)
	ctx, cancel := context.WithCancel(jitter.None(t.Context()))
	go func() { end <- root.Serve(ctx) }()
	defer func() {
		cancel()
		if t.Failed() {
			t.Log(root.Tree())
		}
	}()
	time.Sleep(time.Duration(rng.IntN(8000)) * time.Millisecond)
	synctest.Wait()
	gaveUp = time.Time{}
	before := time.Now()
	f, ok := root.Forecast(path)
	if !ok { // it has ended, or a supervisor on the way waits for its restart
		cancel()
		<-end
		return
	}
	horizon := 2 * time.Hour
	select {
	case <-end:
		require.Equal(t, f.Ends.Sub(before), time.Since(before), "the root")
	case <-time.After(horizon):
		require.True(t, f.Ends.IsZero() || f.Ends.Sub(before) > horizon, "the root: %v", f.Ends.Sub(before))
		cancel()
		<-end
	}
	synctest.Wait()
	if gaveUp.IsZero() {
		require.True(t, f.GivesUp.IsZero() || f.GivesUp.Sub(before) > horizon, "%v", f.GivesUp.Sub(before))
	} else {
		require.Equal(t, gaveUp.Sub(before), f.GivesUp.Sub(before), "its supervisor")
	}
}

// The backoff of a child that has been ready for long enough starts over with its next
// failure.
func TestForecastOfAChildThatIsHealthyAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, q := newPuppet(), newPuppet()
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "x", Run: q.Run}}})
		spec := child.Spec{Backoff: child.Constant(time.Second).Retries(5), ResetAfter: time.Minute}
		a, in := spec, spec
		a.Name, a.Run, in.Name, in.Run = "a", p.Run, "in", inner.Run
		sup := start(t, supervisor.Spec{Children: []child.Spec{in}})
		other := start(t, supervisor.Spec{Children: []child.Spec{a}})
		left := func(in time.Duration, retries int) {
			f, ok := sup.Forecast("in/x")
			require.True(t, ok)
			require.Equal(t, time.Now().Add(in), f.Ends)
			f, ok = other.Forecast("a")
			require.True(t, ok)
			require.Equal(t, retries, f.Left)
			require.Equal(t, time.Now().Add(in), f.Ends)
		}
		left(5*time.Second, 5)
		for range 3 {
			p.end(errBoom)
			q.end(errBoom)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		left(2*time.Second, 2)
		time.Sleep(time.Minute)
		left(5*time.Second, 5)
	})
}

// A supervisor that runs for long enough each time starts over its backoff, but one without
// any retry gives up all the same.
func TestForecastOfABackoffThatStartsOver(t *testing.T) {
	for retries, ends := range map[int]time.Duration{0: time.Hour, 1: -1} {
		bubble(t, func(t *testing.T) {
			inner := supervisor.New(supervisor.Spec{Backoff: child.Constant(time.Hour).Retries(1), Children: []child.Spec{{Name: "x", Run: idle}}})
			sup := start(t, supervisor.Spec{Children: []child.Spec{{
				Name: "in", Run: inner.Run, ResetAfter: time.Minute, Backoff: child.Constant(0).Retries(retries),
			}}})
			f, ok := sup.Forecast("in/x")
			require.True(t, ok)
			require.Equal(t, time.Now().Add(time.Hour), f.GivesUp)
			var want time.Time
			if ends >= 0 {
				want = time.Now().Add(ends)
			}
			require.Equal(t, want, f.Ends)
		})
	}
}
