package coppiceprom_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// tenants is a tree with dynamic supervisors: declared children run under dynamic ones.
func tenants(t *testing.T, spec coppiceprom.Spec) (*scene, *puppet) {
	all := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{{Name: "declared", Run: idle}}})
	s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "tenants", Run: all.Run}, {Name: "*", Run: idle}}}, spec)
	p := newPuppet()
	one := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "db", Run: p.Run}}})
	require.NoError(t, all.StartChild(t.Context(), child.Spec{Name: "one", Run: one.Run}))
	require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: "added", Run: idle}))
	return s, p
}

func TestDynamicChildrenHaveNoSeriesOfTheirOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := tenants(t, coppiceprom.Spec{})
		p.end(errBoom)
		got := s.scrape()
		require.Equal(t, []string{
			`coppice_child_restarts_total{path="/shop/*"} 0`,
			`coppice_child_restarts_total{path="/shop/tenants"} 0`,
			`coppice_child_restarts_total{path="/shop/tenants/*"} 1`,
		}, got.about("coppice_child_restarts_total"))
		require.Equal(t, []string{`coppice_child_ready{path="/shop/tenants"} 1`}, got.about("coppice_child_ready"))
		require.EqualValues(t, 3, got[`coppice_children{state="running",supervisor="/shop/tenants"}`], "declared, one, one/db")
		require.EqualValues(t, 3, got[`coppice_children{state="running",supervisor="/shop"}`], "tenants, *, added")
		require.Zero(t, got["coppice_series_omitted"])
	})
}

func TestSeriesForAsksForMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked atomic.Int64
		s, p := tenants(t, coppiceprom.Spec{SeriesFor: func(path string) bool {
			asked.Add(1)
			require.NotEqual(t, "/shop/tenants", path, "declared ones need not be asked for")
			return path == "/shop/tenants/one" || path == "/shop/tenants/one/db"
		}})
		p.end(errBoom)
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/tenants/one/db"}`])
		require.EqualValues(t, 0, got[`coppice_child_restarts_total{path="/shop/tenants/*"}`])
		require.EqualValues(t, 1, got[ready("/shop/tenants/one")])
		require.EqualValues(t, 1, got[ready("/shop/tenants/one/db")])
		require.EqualValues(t, 1, got[`coppice_children{state="running",supervisor="/shop/tenants/one"}`])
		require.EqualValues(t, 2, got[`coppice_children{state="running",supervisor="/shop/tenants"}`], "declared, one")
		require.NotZero(t, asked.Load())
	})
}

func TestSeriesForThatPanicsOrIsAskedForAMegabyteMeansNo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		defer slog.SetDefault(slog.Default())
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		s, p := tenants(t, coppiceprom.Spec{SeriesFor: func(path string) bool {
			require.Less(t, len(path), 2000)
			panic("oops")
		}})
		long := child.NameOf(strings.Repeat("é", 1<<20)) // shortened
		require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: long, Run: idle}))
		require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: strings.Repeat("x", 1<<20), Run: idle}))
		p.end(errBoom)
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/tenants/*"}`])
		require.Equal(t, 1, strings.Count(log.String(), "SeriesFor panicked"), log.String())
	})
}

// size returns the number of series, as Prometheus counts them with the default buckets.
func (s series) size() (n int) {
	for name := range s {
		n++
		if strings.Contains(name, "_seconds_count") {
			n += 14 // buckets, with +Inf
		}
	}
	return n
}

func TestMaxSeriesLimitsTheSeries(t *testing.T) {
	for _, limit := range []int{1, 59, 60, 100, 200, 300, 1000, 10_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				spec := supervisor.Spec{Intensity: strategy.Unlimited()}
				var puppets []*puppet
				for i := range 30 {
					p := newPuppet()
					inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(10, time.Hour), Children: []child.Spec{{Name: "p", Run: p.Run}}})
					spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprint(i), Run: inner.Run})
					puppets = append(puppets, p)
				}
				s := start(t, spec, coppiceprom.Spec{MaxSeries: limit})
				for range 2 {
					for _, p := range puppets {
						p.end(errBoom)
					}
					got := s.scrape()
					require.LessOrEqual(t, got.size(), max(limit, 59))
					if limit >= 30*(13+49+13)+59 {
						require.Zero(t, got["coppice_series_omitted"])
					} else {
						require.NotZero(t, got["coppice_series_omitted"])
					}
					children := 0.0
					for name, value := range got {
						if strings.HasPrefix(name, "coppice_children{") {
							children += value
						}
					}
					require.EqualValues(t, 60, children, "each child is counted once")
				}
				restarts := 0.0
				for name, value := range s.scrape() {
					if strings.HasPrefix(name, "coppice_child_restarts_total") {
						restarts += value
					}
				}
				require.EqualValues(t, 60, restarts, "and each restart")
			})
		})
	}
}

func TestWhatHasSeriesKeepsThemWhenMoreIsDeclared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		last := newPuppet()
		spec := supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "last", Run: last.Run}}}
		s := start(t, spec, coppiceprom.Spec{MaxSeries: 59 + 13})
		last.end(errBoom)
		require.EqualValues(t, 1, s.scrape()[`coppice_child_restarts_total{path="/shop/last"}`])
		spec.Children = append([]child.Spec{{Name: "first", Run: idle}}, spec.Children...)
		require.NoError(t, s.Upgrade(spec))
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, s.Start(t.Context()))
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/last"}`])
		require.EqualValues(t, 13, got["coppice_series_omitted"])
		require.Contains(t, got, `coppice_child_restarts_total{path="/shop/*"}`)
		require.NotContains(t, got, `coppice_child_restarts_total{path="/shop/first"}`)
	})
}

func TestWhatDoesNotFitCountsAsDynamic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		s := start(t, supervisor.Spec{Backoff: child.Constant(time.Hour), Children: []child.Spec{{Name: "a", Run: idle}, {Name: "p", Run: p.Run}}},
			coppiceprom.Spec{MaxSeries: 59 + 13})
		s.scrape() // a has its series
		p.end(errBoom)
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_supervisor_degraded{supervisor="/shop"}`])
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/*"}`])
	})
}

// Counters below a supervisor that is down are not evicted, however crowded it is.
func TestWhatIsDownKeepsItsSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(1, time.Hour), Children: []child.Spec{{Name: "p", Run: p.Run}}})
		s := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run, Backoff: child.Constant(time.Hour)}, {Name: "a", Run: idle}, {Name: "b", Run: idle},
		}}, coppiceprom.Spec{MaxSeries: 59 + 3*13 + 49})
		const restarts = `coppice_child_restarts_total{path="/shop/inner/p"}`
		p.end(errBoom)
		time.Sleep(time.Second)
		require.EqualValues(t, 1, s.scrape()[restarts])
		p.end(errBoom) // inner gives up
		time.Sleep(time.Second)
		for range 3 {
			got := s.scrape()
			require.Equal(t, []string{"waiting"}, got.state("coppice_child_state", `path="/shop/inner"`))
			require.NotZero(t, got["coppice_series_omitted"])
			require.EqualValues(t, 1, got[restarts])
		}
	})
}

func TestCountersOfARemovedSupervisorStay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "conns", Run: conns.Run}}}, coppiceprom.Spec{})
		require.NoError(t, conns.StartChild(t.Context(), child.Spec{Name: "conn", Run: p.Run}))
		p.end(errBoom)
		require.NoError(t, s.RemoveChild(t.Context(), "conns"))
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/conns/*"}`])
		require.NotContains(t, got, `coppice_children_in_trouble{supervisor="/shop/conns"}`)
	})
}

// SeriesFor is asked for each child, also below a supervisor that it asks for. A child with
// the name that stands for all others never has series of its own.
func TestSeriesForIsAskedForEachChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := tenants(t, coppiceprom.Spec{SeriesFor: func(path string) bool {
			return path == "/shop/tenants/one" || path == "/shop/*"
		}})
		s.scrape()
		p.end(errBoom)
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/tenants/one/*"}`])
		require.NotContains(t, got, ready("/shop/*"))
	})
}

func TestRemovedChildrenMakeRoomWhenItIsNeeded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const fit = 5
		s := start(t, supervisor.Spec{}, coppiceprom.Spec{
			MaxSeries: 59 + fit*13, SeriesFor: func(string) bool { return true },
		})
		for i := range 3 * fit {
			name := fmt.Sprint("job-", i)
			time.Sleep(time.Millisecond)
			require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: name, Run: idle}))
			got := s.scrape()
			require.EqualValues(t, 1, got[ready("/shop/"+name)])
			require.Zero(t, got["coppice_series_omitted"])
			require.NoError(t, s.RemoveChild(t.Context(), name))
			if i == fit-1 {
				require.Len(t, s.scrape().about("coppice_child_restarts_total", "job-"), fit, "the room is not needed yet")
			}
		}
	})
}

// Children that come and go between two scrapes find no room either, until the next scrape.
func TestChildrenThatNoScrapeSeesMakeRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, supervisor.Spec{Intensity: strategy.Unlimited()}, coppiceprom.Spec{
			MaxSeries: 59 + 13, SeriesFor: func(string) bool { return true },
		})
		brief := func(name string) {
			p := newPuppet()
			require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: name, Run: p.Run}))
			p.end(errBoom)
			require.NoError(t, s.RemoveChild(t.Context(), name))
			time.Sleep(time.Second)
		}
		brief("a")
		require.Len(t, s.scrape().about("restarts_total", "/shop/a"), 1)
		brief("b") // no room
		s.scrape()
		brief("c")
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/*"}`], "b")
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/c"}`])
	})
}

func TestAnUpgradeDeclaresMoreChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old, p := newPuppet(), newPuppet()
		spec := supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "old", Run: old.Run}}}
		s := start(t, spec, coppiceprom.Spec{})
		require.EqualValues(t, 1, s.scrape()[ready("/shop/old")])
		spec.Children = []child.Spec{{Name: "new", Run: p.Run}}
		require.NoError(t, s.Upgrade(spec))
		require.Zero(t, s.scrape()[ready("/shop/new")])
		require.NoError(t, s.RestartChild(t.Context(), "new"))
		require.EqualValues(t, 1, s.scrape()[ready("/shop/new")])
		p.end(errBoom)
		old.end(errBoom)
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/new"}`])
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/old"}`])
		require.EqualValues(t, 1, got[ready("/shop/old")], "it stays, although it is not in the spec any more")
		require.NotContains(t, got, `coppice_child_restarts_total{path="/shop/*"}`)
	})
}

// A supervisor that has not been scraped yet is learned from its first event.
func TestANestedSupervisorIsLearnedFromEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		leaf := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "p", Run: func(ctx child.Context) error {
			time.Sleep(time.Second)
			return p.Run(ctx)
		}}}})
		middle := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "leaf", Run: leaf.Run}}})
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "middle", Run: middle.Run}}}, coppiceprom.Spec{})
		for range 4 { // the fourth makes leaf give up
			p.end(errBoom)
		}
		time.Sleep(time.Minute)
		require.NoError(t, s.Stop(context.Background()))
		got := s.scrape()
		require.EqualValues(t, 3, got[`coppice_child_restarts_total{path="/shop/middle/leaf/p"}`])
		require.EqualValues(t, 1, got[`coppice_supervisor_gave_up_total{supervisor="/shop/middle/leaf"}`])
		require.EqualValues(t, 5, got[`coppice_child_start_duration_seconds_count{supervisor="/shop/middle/leaf"}`])
	})
}
