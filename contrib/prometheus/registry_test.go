package coppiceprom_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestSeveralTreesShareARegistry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		for i := range 3 {
			root := supervisor.New(supervisor.Spec{Name: fmt.Sprint("tree-", i), Logger: quiet, Children: make([]child.Spec, i)})
			registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}))
		}
		require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP coppice_tree_ready Whether Health of the tree returns nil.
# TYPE coppice_tree_ready gauge
coppice_tree_ready{tree="tree-0"} 0
coppice_tree_ready{tree="tree-1"} 0
coppice_tree_ready{tree="tree-2"} 0
`), "coppice_tree_ready"))
	})
}

func TestASecondCollectorForTheSameNameIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := declare(t, supervisor.Spec{}, coppiceprom.Spec{})
		var already prometheus.AlreadyRegisteredError
		require.ErrorAs(t, s.registry.Register(s.collector), &already)
		require.Same(t, s.collector, already.ExistingCollector)
		other := coppiceprom.New(s.Supervisor, coppiceprom.Spec{})
		defer other.Close()
		require.ErrorAs(t, s.registry.Register(other), &already)
		require.True(t, s.registry.Unregister(s.collector))
		require.NoError(t, s.registry.Register(other))
		s.scrape()
	})
}

// An unnamed or invalid root cannot start, but its collector can be registered and scraped.
func TestNamesThatCannotStartAreNoPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, name := range []string{"\xff\xfe", "a\nb", "<b>", "\x1b[31m", "a/b"} {
			s := declare(t, supervisor.Spec{Name: name}, coppiceprom.Spec{})
			if err := s.Start(t.Context()); err == nil {
				require.NoError(t, s.Stop(context.Background()))
			}
			require.NotEmpty(t, s.scrape())
		}
		require.PanicsWithValue(t, "coppiceprom.New: the supervisor is nil", func() { coppiceprom.New(nil, coppiceprom.Spec{}) })
		require.Panics(t, func() { coppiceprom.New(supervisor.New(supervisor.Spec{}), coppiceprom.Spec{Buckets: []float64{2, 1}}) })
		s := declare(t, supervisor.Spec{}, coppiceprom.Spec{MaxSeries: math.MaxInt, DegradedAbove: math.NaN(), Buckets: []float64{1}})
		require.NotEmpty(t, s.scrape())
	})
}

// Errors of children are user code: here their methods panic, or never end.
type evil struct{ error }

func (evil) Error() string     { panic("Error") }
func (evil) Is(error) bool     { panic("Is") }
func (evil) As(any) bool       { panic("As") }
func (e evil) Unwrap() []error { return []error{e, e} }

func TestNoMethodOfAnErrorIsCalled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		s := start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{
			{Name: "db", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				ctx.Unready(evil{errors.New("x")})
				<-ctx.Done()
				return nil
			}},
			{Name: "p", Run: p.Run},
		}}, coppiceprom.Spec{})
		p.end(evil{errBoom})
		got := s.scrape()
		require.Zero(t, got[ready("/shop/db")])
		failures := got[`coppice_child_failures_total{error_type="error",path="/shop/p"}`] +
			got[`coppice_child_failures_total{error_type="panic",path="/shop/p"}`] // the tree may take it for a panic
		require.EqualValues(t, 1, failures)
	})
}

func TestACollectorOfANestedSupervisorCoversItsPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Name: "inner", Children: []child.Spec{{Name: "p", Run: p.Run}}})
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}, {Name: "other", Run: idle}}}, coppiceprom.Spec{})
		registry := prometheus.NewPedanticRegistry()
		part := coppiceprom.New(inner, coppiceprom.Spec{})
		registry.MustRegister(part)
		p.end(errBoom)
		s.scrape()
		got := scrape(t, registry)
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/inner/p"}`])
		require.EqualValues(t, 1, got[ready("/shop/inner/p")])
		require.EqualValues(t, 1, got[`coppice_children{state="running",supervisor="/shop/inner"}`])
		require.EqualValues(t, 1, got["coppice_tree_ready"])
		require.Empty(t, got.about("other"))
	})
}

// A receiver that does not read, and a SeriesFor that does not return, hold up neither the
// tree nor the events of other collectors.
func TestAScrapeThatHangsBlocksNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "p", Run: p.Run}}}, coppiceprom.Spec{})
		unread := make(chan prometheus.Metric)
		go func() { s.collector.Collect(unread); close(unread) }()

		release := make(chan struct{})
		slow := coppiceprom.New(s.Supervisor, coppiceprom.Spec{SeriesFor: func(string) bool { <-release; return false }})
		other := prometheus.NewPedanticRegistry()
		other.MustRegister(slow)
		require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: "added", Run: idle}))
		gathered := make(chan error)
		go func() { _, err := other.Gather(); gathered <- err }()
		synctest.Wait()

		p.end(errBoom)
		require.NoError(t, s.RestartChild(t.Context(), "added"))
		require.EqualValues(t, 1, s.scrape()[`coppice_child_restarts_total{path="/shop/p"}`])
		close(release)
		require.NoError(t, <-gathered)
		n := 0
		for range unread {
			n++
		}
		require.NotZero(t, n)
	})
}

// Outside of a bubble, with the race detector: scrapes, restarts and churn at once.
func TestScrapesBesideChanges(t *testing.T) {
	conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Intensity: strategy.Unlimited()})
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "job", Run: idle}}})
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Intensity: strategy.Unlimited(), Children: []child.Spec{
		{Name: "conns", Run: conns.Run}, {Name: "jobs", Run: jobs.Run},
	}})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{
		MaxSeries: 300, SeriesFor: func(path string) bool { return strings.HasSuffix(path, "0") },
	}))
	var starts atomic.Int64
	root.Subscribe(func(e supervisor.Event) {
		if e.Path == "/shop/jobs/job" {
			starts.Add(1)
		}
	}, supervisor.EventReady)
	ctx := context.Background()
	require.NoError(t, root.Start(ctx))
	const rounds = 50
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for i := range rounds {
				name := child.UniqueName(fmt.Sprint("c", i))
				if err := conns.StartChild(ctx, child.Spec{Name: name, Run: idle}); err == nil && i%2 == 0 {
					_ = conns.RemoveChild(ctx, name)
				}
			}
		})
		group.Go(func() {
			for range rounds {
				_ = root.RestartChild(ctx, "jobs")
				_ = root.RestartChild(ctx, "jobs/job")
			}
		})
		group.Go(func() {
			before := 0.0
			for range rounds {
				got := scrape(t, registry)
				now := got[`coppice_child_start_duration_seconds_count{supervisor="/shop/jobs"}`]
				if now < before {
					t.Errorf("a counter went from %v back to %v", before, now)
				}
				before = now
			}
		})
	}
	group.Wait()
	require.NoError(t, root.Stop(ctx))
	got := scrape(t, registry)
	require.Zero(t, got["coppice_events_lost_total"])
	require.EqualValues(t, starts.Load(), got[`coppice_child_start_duration_seconds_count{supervisor="/shop/jobs"}`])
	require.Greater(t, starts.Load(), int64(rounds))
}

func TestBothFormsOfAHistogramAreExported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: func(ctx child.Context) error {
			time.Sleep(70 * time.Millisecond)
			return idle(ctx)
		}}}}, coppiceprom.Spec{Buckets: []float64{.05, .1}})
		s.scrape()
		families, err := s.registry.Gather()
		require.NoError(t, err)
		found := false
		for _, family := range families {
			if family.GetName() != "coppice_child_start_duration_seconds" {
				continue
			}
			found = true
			h := family.GetMetric()[0].GetHistogram()
			require.Len(t, h.GetBucket(), 2)
			require.EqualValues(t, 0, h.GetBucket()[0].GetCumulativeCount())
			require.EqualValues(t, 1, h.GetBucket()[1].GetCumulativeCount())
			require.NotZero(t, h.GetSchema())
			require.Len(t, h.GetPositiveDelta(), 1)
		}
		require.True(t, found)
		page := httptest.NewRecorder()
		promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
		require.Contains(t, page.Body.String(), `coppice_child_start_duration_seconds_bucket{supervisor="/shop",tree="shop",le="0.1"} 1`)
	})
}
