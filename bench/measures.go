package bench

import (
	"fmt"
	"sync"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Measures returns all measures except memory, in the order of the table.
func Measures() []Measure {
	all := []Measure{oneChild(), manyInOneCall()}
	all = append(all, newOnes()...)
	all = append(all, addsAndRemoves()...)
	all = append(all, restartRows()...)
	all = append(all, deepRestart())
	all = append(all, latencyRows()...)
	all = append(all, stopAll(), groupCycle())
	all = append(all, concurrentAdds()...)
	all = append(all, snapshot(), besideSnapshots())
	all = append(all, treeAsJSON()...)
	all = append(all, subscriber())
	all = append(all, nestedRows()...)
	all = append(all, shortJobs()...)
	all = append(all, jobAsChild())
	return append(all, keyRows()...)
}

// of returns one shape per crew, all with the same measure.
func of(measure func(maker) func(*Meter), shapes ...crewShape) (all []Shape) {
	for _, s := range shapes {
		all = append(all, Shape{Kind: s.kind, Name: s.name, Run: measure(s.make), Base: s.base})
	}
	return all
}

type crewShape struct {
	kind Kind
	name string
	make maker
	base bool
}

var (
	independent = crewShape{Ours, "Coppice, Independent", newCoppice(strategy.Independent), false}
	oneForOne   = crewShape{Ours, "Coppice, OneForOne", newCoppice(strategy.OneForOne), false}

	goCtxChans  = crewShape{Floor, "context, two channels", newRow(startCtxChans, false), true}
	goRecord    = crewShape{Floor, "record with context", newRow(startRecord, false), true}
	goTimed     = crewShape{Floor, "registry of timed records with context", newRegistry(startTimed), false}
	goBare      = crewShape{Floor, "record without context", newRow(startBare, false), false}
	goRegistry  = crewShape{Floor, "registry of records with context", newRegistry(startRecord), true}
	bareReg     = crewShape{Floor, "registry of records without context", newRegistry(startBare), false}
	recordOrder = crewShape{Floor, "record with context, in order", newRow(startRecord, true), true}
	bareOrder   = crewShape{Floor, "record without context, in order", newRow(startBare, true), false}

	byGoService = crewShape{Peer, "go-service (its shape)", newGoService, false}
	bySuture    = crewShape{Peer, "suture", newSuture, false}
	byErrgroup  = crewShape{Peer, "errgroup", newErrgroup, false}
	byConc      = crewShape{Peer, "conc", newConc, false}
	byRun       = crewShape{Peer, "oklog/run", newRunGroup, false}
)

const (
	withContext = "floors that give each child a context, as Coppice does"
	goService   = "shapes of go-service, which Coppice supersedes"
)

// against makes the base of a row the shape with that name alone.
func against(name string, shapes []Shape) []Shape {
	for i := range shapes {
		shapes[i].Base = shapes[i].Name == name
	}
	return shapes
}

func oneChild() Measure {
	return Measure{
		Name: "start + ready + stop, 1 child of a running supervisor", Unit: "child",
		Target: "1.2x, with one processor 1.3x; 6 allocations", Base: goService,
		Shapes: against(byGoService.name, of(func(make maker) func(*Meter) {
			return func(m *Meter) {
				need(1)
				c := make(0)
				for m.more() {
					m.time(batch, func() {
						for range batch {
							c.add(0)
							c.remove(0)
						}
					})
				}
				c.stop()
			}
		}, independent, oneForOne, goCtxChans, goRecord, goBare, goRegistry, bareReg, goTimed, byGoService, bySuture)),
	}
}

func newOnes() (all []Measure) {
	for _, c := range []struct {
		n      int
		target string
	}{{1, "1.4x, 17 allocations, 2,100 B"}, {10, "1.3x"}} {
		all = append(all, Measure{
			Name: fmt.Sprintf("new supervisor with %d, ready, stop", c.n), Unit: "supervisor",
			Target: c.target, Base: goService,
			Shapes: against(byGoService.name, of(func(make maker) func(*Meter) {
				return func(m *Meter) {
					need(c.n)
					for m.more() {
						m.time(batch/5, func() {
							for range batch / 5 {
								make(c.n).stop()
							}
						})
					}
				}
			}, independent, oneForOne, goCtxChans, goRecord, goBare, goRegistry, bareReg, recordOrder, bareOrder,
				byGoService, bySuture, byErrgroup, byConc, byRun)),
		})
	}
	return all
}

// added adds a batch of children to a crew of n and removes them again. It measures the
// adds if timeAdds is set, else the removals.
func added(n int, timeAdds bool) func(maker) func(*Meter) {
	return func(make maker) func(*Meter) {
		return func(m *Meter) {
			need(n + batch)
			c := make(n)
			add := func() {
				for i := n; i < n+batch; i++ {
					c.add(i)
				}
			}
			remove := func() {
				for i := n + batch - 1; i >= n; i-- {
					c.remove(i)
				}
			}
			for m.more() {
				if timeAdds {
					m.time(batch, add)
					remove()
				} else {
					add()
					m.time(batch, remove)
				}
			}
			c.stop()
		}
	}
}

// Finding a child by name takes a registry, so the floors here are those with a registry.
func addsAndRemoves() (all []Measure) {
	few := []crewShape{independent, oneForOne, goRegistry, bareReg, goTimed, bySuture}
	sizes := []struct {
		n, rounds int
		shapes    []crewShape
	}{{1_000, 0, few}, {100_000, 3, few}, {1_000_000, 2, []crewShape{independent, oneForOne, goRegistry}}}
	for _, at := range sizes {
		all = append(all, Measure{
			Name: fmt.Sprintf("add one child among %d", at.n), Unit: "child", Rounds: at.rounds,
			Target: "1.3x; 1 M against 1 k at most 2x", Base: withContext,
			Shapes: of(added(at.n, true), at.shapes...),
		})
	}
	for _, at := range sizes {
		all = append(all, Measure{
			Name: fmt.Sprintf("remove one child by name among %d", at.n), Unit: "child", Rounds: at.rounds,
			Target: "1.5x, flat", Base: withContext,
			Shapes: of(added(at.n, false), at.shapes...),
		})
	}
	return all
}

const newGoroutine = "floors with a goroutine per restart"

func restartRows() []Measure {
	oneForOne := coppiceKeeper(strategy.OneForOne, 0, nil)
	million := func(from, to int) func(*Meter) {
		return func(m *Meter) {
			c := newCrasher()
			end := oneForOne(c)
			c.fail(from)
			m.time(to-from, func() { c.fail(to - from) })
			end()
		}
	}
	kept := recovering(counters)
	return []Measure{{
		Name: "restart after an error", Unit: "restart", Target: "400 ns, 3 allocations, 208 B", Base: newGoroutine,
		Shapes: []Shape{
			{Ours, "Coppice, OneForOne", restarts(oneForOne, false), false},
			{Ours, "Coppice, Independent", restarts(coppiceKeeper(strategy.Independent, 0, nil), false), false},
			{Floor, "loop in place", restarts(inPlace(unguarded), false), false},
			{Floor, "goroutine per restart", restarts(goPerRestart(unguarded), false), true},
			{Floor, "goroutine per restart, by a supervising one", restarts(goBySupervisor(unguarded), false), true},
			{Peer, "suture", restarts(sutureKeeper(0), false), false},
		},
	}, {
		Name: "restart after an error, over a million", Unit: "restart", Target: "flat", Rounds: 3,
		Shapes: []Shape{
			{Ours, "the first 100,000", million(0, 100_000), false},
			{Ours, "the last 100,000", million(900_000, 1_000_000), false},
		},
	}, {
		// A recovery that keeps no stack costs a third of one that does, and the error of a
		// panic is of little use without it. So the base does what Coppice does: it recovers
		// and keeps the program counters, in place or on a new goroutine, whichever is quicker.
		Name: "restart after a panic", Unit: "restart", Target: "2x, 1,800 ns, 5 allocations", Base: "floors that keep the program counters, as Coppice does",
		Shapes: []Shape{
			{Ours, "Coppice, OneForOne", restarts(oneForOne, true), false},
			{Floor, "recover in place, no stack", restarts(inPlace(recovering(noStack)), true), false},
			{Floor, "recover in place, program counters", restarts(inPlace(kept), true), true},
			{Floor, "recover, new goroutine, no stack", restarts(goPerRestart(recovering(noStack)), true), false},
			{Floor, "recover, new goroutine, program counters", restarts(goPerRestart(kept), true), true},
			{Floor, "recover, new goroutine, stack as text", restarts(goPerRestart(recovering(textStack)), true), false},
			{Peer, "suture", restarts(sutureKeeper(0), true), false},
			{Peer, "conc panics.Try, loop in place", restarts(inPlace(byConcGuard), true), false},
		},
	}}
}

func latencyRows() (all []Measure) {
	const siblings = 10_000
	for _, n := range []int{0, siblings} {
		name, rounds := "alone", 0
		if n > 0 {
			name, rounds = fmt.Sprintf("with %d siblings", n), 5
		}
		all = append(all, Measure{
			Name: "error returned to next Run, " + name, Unit: "restart", Rounds: rounds,
			Target: "p50 and p99 2x; with siblings 1.5x of alone", Base: newGoroutine,
			Shapes: []Shape{
				{Ours, "Coppice, OneForOne", latencies(coppiceKeeper(strategy.OneForOne, n, nil)), false},
				{Ours, "Coppice, Independent", latencies(coppiceKeeper(strategy.Independent, n, nil)), false},
				{Floor, "loop in place", latencies(beside(n, inPlace(unguarded))), false},
				{Floor, "goroutine per restart", latencies(beside(n, goPerRestart(unguarded))), true},
				{Floor, "goroutine per restart, by a supervising one", latencies(beside(n, goBySupervisor(unguarded))), true},
				{Peer, "suture", latencies(sutureKeeper(n)), false},
			},
		})
	}
	return all
}

func stopAll() Measure {
	const n = 100_000
	return Measure{
		Name: "stop of 100,000", Unit: "child", Rounds: 3,
		Target: "1.5x unordered, 2.5x strictly ordered", Base: withContext,
		Shapes: of(func(make maker) func(*Meter) {
			return func(m *Meter) {
				need(n)
				c := make(n)
				m.time(n, c.stop)
			}
		}, independent, oneForOne, goCtxChans, goRecord, goBare, goRegistry, recordOrder, bareOrder, bySuture, byErrgroup, byConc, byRun),
	}
}

// concurrentAdds measures adds by several goroutines at once.
func concurrentAdds() (all []Measure) {
	const total = 64 * 32
	for _, g := range []int{1, 2, 8, 64} {
		all = append(all, Measure{
			Name: fmt.Sprintf("adds by %d goroutines at once", g), Unit: "child",
			Target: "0.75 of the floor's rate (1.33x its time)", Base: withContext,
			Shapes: of(func(make maker) func(*Meter) {
				return func(m *Meter) {
					need(total)
					c := make(0)
					for m.more() {
						m.time(total, func() {
							var all sync.WaitGroup
							for k := range g {
								all.Go(func() {
									for i := k; i < total; i += g {
										c.add(i)
									}
								})
							}
							all.Wait()
						})
						for i := range total {
							c.remove(i)
						}
					}
					c.stop()
				}
			}, independent, oneForOne, goRegistry, bareReg, bySuture),
		})
	}
	return all
}

// subscriber measures how much an event subscriber adds to the cost of a restart.
func subscriber() Measure {
	subscribe := func(only ...supervisor.EventKind) func(*supervisor.Supervisor) {
		return func(sup *supervisor.Supervisor) { sup.Subscribe(func(supervisor.Event) {}, only...) }
	}
	return Measure{
		Name: "restart after an error, with a subscriber", Unit: "restart", Target: "300 ns more than without",
		Shapes: []Shape{
			{Ours, "none", restarts(coppiceKeeper(strategy.OneForOne, 0, nil), false), false},
			{Ours, "one, of failures", restarts(coppiceKeeper(strategy.OneForOne, 0, subscribe(supervisor.EventFailed)), false), false},
			{Ours, "one, of all events", restarts(coppiceKeeper(strategy.OneForOne, 0, subscribe()), false), false},
		},
	}
}

// For returns a Meter that continues until it has measured at least limit, after warm.
func For(limit, warm time.Duration) *Meter { return &Meter{Limit: limit, Warm: warm} }
