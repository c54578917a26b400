package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A grower makes random trees.
type grower struct {
	*rand.Rand
	free    chan struct{} // closed when the runs that hang must return
	worst   bool          // everything takes as long as it may
	bounded bool          // supervisors have limits of their own
}

// seconds returns a few seconds.
func (g *grower) seconds(most int) time.Duration { return time.Duration(1+g.IntN(most)) * time.Second }

// leaf returns a child that takes its time to start and to stop.
func (g *grower) leaf(name string) child.Spec {
	spec := child.Spec{Name: name, StartTimeout: g.seconds(9)}
	limit := child.DefaultStopTimeout
	switch g.IntN(4) {
	case 0:
		spec.StopTimeout, limit = child.AtOnce, 0
	case 1:
		limit = g.seconds(20)
		spec.StopTimeout = limit
	}
	up, down := time.Duration(g.Int64N(int64(spec.StartTimeout))), time.Duration(g.Int64N(int64(2*limit+1)))
	if g.worst {
		up, down = spec.StartTimeout-1, time.Hour
	}
	spec.Run = func(ctx child.Context) error {
		if !child.Sleep(ctx, up) {
			_ = ctx.Ready()
			<-ctx.Done()
		}
		g.linger(down)
		return nil
	}
	return spec
}

// linger takes d, or less when all must return.
func (g *grower) linger(d time.Duration) {
	select {
	case <-time.After(d):
	case <-g.free:
	}
}

// tree returns a random supervisor.
func (g *grower) tree(depth int) supervisor.Spec {
	spec := supervisor.Spec{Strategy: allStrategies[g.IntN(5)], Logger: quiet}
	if g.bounded && g.IntN(3) == 0 {
		spec.StopTimeout = g.seconds(30)
	}
	for i := range g.IntN(4) {
		name := fmt.Sprint("c", i)
		if depth == 0 || g.IntN(2) == 0 {
			spec.Children = append(spec.Children, g.leaf(name))
			continue
		}
		inner := supervisor.New(g.tree(depth - 1))
		one := child.Spec{Name: name, Run: inner.Run}
		if g.bounded {
			switch g.IntN(4) {
			case 0:
				one.StopTimeout = g.seconds(20)
			case 1:
				one.StopTimeout = child.AtOnce
			}
			if g.IntN(3) == 0 { // the run goes on after the supervisor has ended
				limit := max(one.StopTimeout, 0)
				if one.StopTimeout == 0 {
					limit = child.DefaultStopTimeout
				}
				after := time.Duration(g.Int64N(int64(2*limit + 1)))
				if g.worst {
					after = time.Hour
				}
				one.Run = func(ctx child.Context) error {
					err := inner.Run(ctx)
					g.linger(after)
					return err
				}
			}
		}
		spec.Children = append(spec.Children, one)
	}
	g.edges(&spec)
	return spec
}

// edges gives the children of a Graph supervisor edges to some of those before them, in an
// order that is not that of the declaration.
func (g *grower) edges(spec *supervisor.Spec) {
	if spec.Strategy != strategy.Graph {
		return
	}
	order := g.Perm(len(spec.Children))
	for i, at := range order {
		one := &spec.Children[at]
		for _, to := range order[:i] {
			switch name := spec.Children[to].Name; g.IntN(4) {
			case 0:
				one.After = append(one.After, name)
			case 1, 2:
				one.Needs = append(one.Needs, name)
			}
		}
	}
}

// play starts and stops a random tree, and returns how long that took and what was said.
func (g *grower) play(t *testing.T) (said supervisor.Explanation, start, stop time.Duration) {
	spec := g.tree(3)
	if g.bounded && g.IntN(4) == 0 {
		spec.Drain = g.seconds(9)
	}
	root := supervisor.New(spec)
	began := time.Now()
	require.NoError(t, root.Start(t.Context()))
	start = time.Since(began)
	said = root.Explain()
	if g.IntN(4) == 0 { // in the middle of a restart
		for _, c := range spec.Children {
			go func() { _ = root.RestartChild(t.Context(), c.Name) }()
		}
		g.linger(time.Duration(g.Int64N(int64(9 * time.Second))))
	}
	began = time.Now()
	_ = root.Stop(context.Background())
	stop = time.Since(began)
	close(g.free)
	synctest.Wait()
	return said, start, stop
}

// The machine is never slower than Explain says.
func TestRandomTreesTakeNoLongerThanExplainSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		limited, trees := 0, randomTrees(t, 3000)
		for seed := range trees {
			g := &grower{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), free: make(chan struct{}), bounded: true, worst: seed%2 == 0}
			said, start, stop := g.play(t)
			require.LessOrEqual(t, stop, said.LongestStop, "stop, seed %d:\n%v", seed, said)
			if said.LongestStart != child.Forever {
				limited++
				require.LessOrEqual(t, start, said.LongestStart, "start, seed %d:\n%v", seed, said)
			}
		}
		require.Greater(t, limited, trees/3)
	})
}

// Where nothing but the timeouts of children limits a stop, it takes as long as Explain says
// if all children hang.
func TestRandomTreesThatHangTakeAsLongAsExplainSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for seed := range randomTrees(t, 3000) {
			g := &grower{Rand: rand.New(rand.NewPCG(uint64(seed), 2)), free: make(chan struct{}), worst: true}
			spec := g.tree(3)
			root := supervisor.New(spec)
			began := time.Now()
			require.NoError(t, root.Start(t.Context()))
			start, said := time.Since(began), root.Explain()
			require.InDelta(t, said.LongestStart, start, 100, "start, seed %d:\n%v", seed, said)
			began = time.Now()
			_ = root.Stop(context.Background())
			require.Equal(t, said.LongestStop, time.Since(began), "stop, seed %d:\n%v", seed, said)
			close(g.free)
			synctest.Wait()
		}
	})
}

// If a child keeps failing, supervisors give up when Explain says so, up to the root.
func TestRandomTreesGiveUpAsExplainSays(t *testing.T) {
	ended, trees := 0, randomTrees(t, 1000)
	for seed := range trees {
		bubble(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 3))
			fails := make(chan struct{})
			run := func(ctx child.Context) error {
				if ctx.Ready() == nil {
					select {
					case <-fails:
						return errBoom
					case <-ctx.Done():
					}
				}
				return nil
			}
			limits := func(s *supervisor.Spec) {
				s.Strategy, s.Logger = allStrategies[r.IntN(5)], quiet
				if s.Strategy == strategy.Graph && len(s.Children) > 1 {
					s.Children[1].Needs = []string{s.Children[0].Name}
				}
				switch r.IntN(3) {
				case 0:
					s.Intensity = strategy.AtMost(r.IntN(4), time.Minute)
				case 1:
					s.Backoff = child.Constant(time.Duration(1+r.IntN(3)) * time.Second).Retries(r.IntN(4))
				}
			}
			root := supervisor.Spec{Children: []child.Spec{{Name: "w", Run: run, Restart: child.Restart(r.IntN(2))}}}
			path := "w"
			for range r.IntN(3) {
				limits(&root)
				inner := supervisor.New(root)
				root = supervisor.Spec{Children: []child.Spec{{Name: "s", Run: inner.Run}, {Name: "z", Run: idle}}}
				path = "s/" + path
			}
			limits(&root)
			sup := supervisor.New(root)
			events := record(t, sup, supervisor.EventGaveUp, supervisor.EventFailed)
			require.NoError(t, sup.Start(jitter.None(t.Context())))
			said, ok := sup.ExplainChild(path)
			require.True(t, ok)
			close(fails)
			if len(said.GivesUp) > 0 && said.GivesUp[len(said.GivesUp)-1].Then == supervisor.ThenEnds {
				ended++
				require.Error(t, sup.Wait())
			} else { // some supervisor gives up again and again, but never often enough for the one above it
				time.Sleep(time.Second)
				if n := len(said.GivesUp); n > 0 {
					time.Sleep(said.GivesUp[n-1].After)
				}
				_ = sup.Stop(t.Context())
			}
			var began time.Time
			first := map[string]time.Duration{}
			for _, e := range events.take() {
				if began.IsZero() {
					began = e.Time
				}
				if _, known := first[e.Path]; e.Kind == supervisor.EventGaveUp && !known {
					first[e.Path] = e.Time.Sub(began)
				}
			}
			for _, g := range said.GivesUp {
				require.Equal(t, g.After, first[g.Path], "%s, seed %d: %v", g.Path, seed, said)
			}
			require.Len(t, first, len(said.GivesUp), "seed %d: %v", seed, said)
		})
	}
	require.Greater(t, ended, trees/3)
}

func explainedShop(t *testing.T) *supervisor.Supervisor {
	jobs := supervisor.New(supervisor.Spec{
		Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "j1", Run: idle, Restart: child.Temporary}, {Name: "j2", Run: idle, Restart: child.Temporary},
			{Name: "poll", Run: idle, Restart: child.Transient, StopTimeout: 2 * time.Second},
		},
	})
	shop := newRoot(supervisor.Spec{ // start wraps runs, which may then take longer
		Name: "shop", Strategy: strategy.RestForOne,
		Children: []child.Spec{
			{Name: "db", Run: idle, StartTimeout: time.Minute, Backoff: child.Exponential(200*time.Millisecond, time.Second)},
			{Name: "cache", Run: idle, StopTimeout: 2 * time.Second},
			{Name: "jobs", Run: jobs.Run},
			{Name: "api", Run: idle, StopTimeout: 20 * time.Second, Backoff: child.Constant(time.Second).Retries(5)},
			{Name: "worker", Run: idle, StopTimeout: 20 * time.Second},
		},
	})
	require.NoError(t, shop.Start(t.Context()))
	t.Cleanup(func() { _ = shop.Stop(context.Background()) })
	return shop
}

func TestExplainAsText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shop := explainedShop(t)
		want := strings.TrimPrefix(`
/shop: rest-for-one, at most 3 restarts in 5s
  stop:  at most 52s: StopTimeout of /shop/api (20s), StopTimeout of /shop/worker (20s), StopTimeout of /shop/db (5s), StopTimeout of /shop/jobs/j1 (5s), StopTimeout of /shop/cache (2s)
  start: no limit: StartTimeout of /shop/cache (no limit), StartTimeout of /shop/jobs/j1 (no limit), StartTimeout of /shop/api (no limit), StartTimeout of /shop/worker (no limit)
  /shop/db: restarted always, with cache, jobs, api, worker; after 200ms, 400ms, then 667ms each time (the first from 100ms to 300ms); tried forever; stops within 5s
  /shop/cache: restarted always, with jobs, api, worker; at once; /shop gives up after 3 restarts, and the tree ends; stops within 2s
  /shop/jobs: restarted always, with api, worker; at once; /shop gives up after 3 restarts, and the tree ends; stops within 5s
  /shop/api: restarted always, with worker; after 1s; /shop gives up after 5 restarts (5s), and the tree ends; stops within 20s
  /shop/worker: restarted always, alone; at once; /shop gives up after 3 restarts, and the tree ends; stops within 20s

/shop/jobs: independent, at most 3 restarts in 5s
  stop:  at most 5s: StopTimeout of /shop/jobs/j1 (5s)
  start: no limit: StartTimeout of /shop/jobs/j1 (no limit)
  /shop/jobs/j1, /shop/jobs/j2: never restarted; stops within 5s
  /shop/jobs/poll: restarted after a failure, alone; at once; /shop/jobs gives up after 3 restarts, and then /shop gives up after 3 restarts, and the tree ends; stops within 2s
`, "\n")
		require.Equal(t, want, shop.Explain().String())
		one, ok := shop.ExplainChild("jobs/poll")
		require.True(t, ok)
		require.Contains(t, want, one.String())
	})
}

// A page may ask for it as JSON.
func TestExplainOfALargeGroupAsJSONIsNotQuadratic(t *testing.T) {
	size := func(n int) int {
		specs := make([]child.Spec, n)
		for i := range specs {
			specs[i] = child.Spec{Name: fmt.Sprintf("c%05d", i), Run: idle}
		}
		text, err := json.Marshal(newRoot(supervisor.Spec{Strategy: strategy.OneForAll, Children: specs}).Explain())
		require.NoError(t, err)
		return len(text)
	}
	require.Less(t, size(2000), 11*size(200))
	text, err := json.Marshal(newRoot(supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}}}).Explain())
	require.NoError(t, err)
	require.NotContains(t, string(text), "with_more")
}

func TestExplainOfAGraphFollowsTheEdges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sec := time.Second
		sup := start(t, supervisor.Spec{Strategy: strategy.Graph, Children: []child.Spec{
			{Name: "edge", Run: idle, Needs: []string{"api"}, StartTimeout: 2 * sec, StopTimeout: 20 * sec},
			{Name: "api", Run: idle, Needs: []string{"db"}, After: []string{"cache"}, StartTimeout: 3 * sec, StopTimeout: 3 * sec},
			{Name: "cache", Run: idle, StartTimeout: 9 * sec, StopTimeout: sec},
			{Name: "db", Run: idle, StartTimeout: 4 * sec, StopTimeout: 4 * sec},
			{Name: "other", Run: idle, StartTimeout: 10 * sec, StopTimeout: 22 * sec},
		}})
		want := strings.TrimPrefix(`
/root: graph, at most 3 restarts in 5s
  stop:  at most 27s: StopTimeout of /root/edge (20s), StopTimeout of /root/db (4s), StopTimeout of /root/api (3s)
  start: at most 14s: StartTimeout of /root/cache (9s), StartTimeout of /root/api (3s), StartTimeout of /root/edge (2s)
  /root/edge: restarted always, alone; at once; /root gives up after 3 restarts, and the tree ends; stops within 20s
  /root/api: restarted always, with edge; at once; /root gives up after 3 restarts, and the tree ends; stops within 3s
  /root/cache: restarted always, alone; at once; /root gives up after 3 restarts, and the tree ends; stops within 1s
  /root/db: restarted always, with edge, api; at once; /root gives up after 3 restarts, and the tree ends; stops within 4s
  /root/other: restarted always, alone; at once; /root gives up after 3 restarts, and the tree ends; stops within 22s
`, "\n")
		all := sup.Explain()
		require.Equal(t, want, all.String())
		for i, name := range []string{"edge", "api", "cache", "db", "other"} {
			one, ok := sup.ExplainChild(name)
			require.True(t, ok)
			require.Equal(t, all.Children[i], one)
		}
	})
}

// A spec that was never started may have any fault.
func TestExplainOfACycleEnds(t *testing.T) {
	sup := newRoot(supervisor.Spec{Strategy: strategy.Graph, Children: []child.Spec{
		{Name: "a", Run: idle, Needs: []string{"b"}}, {Name: "b", Run: idle, Needs: []string{"a", "b", "none"}},
	}})
	require.Equal(t, []string{"a", "b"}, sup.Explain().Children[0].With)
}

func TestExplainFitsAGracePeriodOrSaysWhatToChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		said := explainedShop(t).Explain()
		require.EqualError(t, said.Fits(30*time.Second), "/shop: a stop may take 52s, and must take less than 30s: lower "+
			"StopTimeout of /shop/api (20s), or StopTimeout of /shop/worker (20s), or set Spec.StopTimeout")
		require.NoError(t, said.Fits(53*time.Second))
		require.EqualError(t, said.Fits(0), "/shop: no stop fits a grace period of 0s: give a positive one")
		forever := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle, StopTimeout: child.Forever}}})
		require.EqualError(t, forever.Explain().Fits(time.Minute), "/root: a stop has no limit, and must take less than 1m0s: lower StopTimeout of /root/a (no limit), or set Spec.StopTimeout")
		empty := start(t, supervisor.Spec{})
		require.NoError(t, empty.Explain().Fits(time.Second))
		require.Equal(t, "/root: one-for-one\n  stop:  at once\n  start: at once\n", empty.Explain().String())
	})
}

func TestExplainBeforeTheStartKnowsWhatIsDeclared(t *testing.T) {
	sup := newRoot(supervisor.Spec{Drain: time.Second, Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle, StopTimeout: time.Minute}}})
	require.Equal(t, 66*time.Second, sup.Explain().LongestStop)
	_, ok := sup.ExplainChild("a")
	require.False(t, ok)
}

func TestExplainAsJSON(t *testing.T) {
	bubble(t, func(t *testing.T) {
		text, err := json.Marshal(explainedShop(t).Explain())
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal(text, &got))
		require.EqualValues(t, 1, got["v"])
		require.Equal(t, "52s", got["longest_stop"])
		require.Equal(t, "none", got["longest_start"])
		api := got["children"].([]any)[3].(map[string]any)
		require.Equal(t, []any{"api", "worker"}, api["with"])
		require.Len(t, api["delays"], 5)
	})
}

// A policy is the user's code, and may do anything.
func TestExplainSurvivesAPolicyThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle, Backoff: func() child.BackoffPolicy { panic("oh") }}}})
		require.Empty(t, sup.Explain().Children[0].Delays)
	})
}

func TestExplainOfManyChildrenIsShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var specs []child.Spec
		for i := range 20_000 {
			specs = append(specs, child.Spec{Name: fmt.Sprint("c", i), Run: idle, Restart: child.Transient})
		}
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Children: specs})
		require.Less(t, len(sup.Explain().String()), 1000)
	})
}
