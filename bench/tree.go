package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// groupCycle measures a group restart: the first of 1,000 children fails, so all are
// stopped in reverse order and started in order.
func groupCycle() Measure {
	const n = 1000
	ours := func(s strategy.Strategy) func(*Meter) {
		return func(m *Meter) {
			need(n)
			crash, up := make(chan struct{}), make(chan struct{}, 1)
			spec := supervisor.Spec{Strategy: s, Intensity: strategy.Unlimited(), Logger: quiet}
			spec.Children = append(spec.Children, child.Spec{Name: "first", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				select {
				case <-ctx.Done():
					return nil
				case <-crash:
					return errBoom
				}
			}})
			for i := range n - 2 {
				spec.Children = append(spec.Children, child.Spec{Name: names[i], Run: idle})
			}
			spec.Children = append(spec.Children, child.Spec{Name: "last", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				up <- struct{}{}
				<-ctx.Done()
				return nil
			}})
			sup := supervisor.New(spec)
			must(sup.Start(bg))
			<-up
			for m.more() {
				m.time(n, func() {
					crash <- struct{}{}
					<-up
				})
			}
			must(sup.Stop(bg))
		}
	}
	return Measure{
		Name: "group restart of 1,000", Unit: "child", Target: "1.5x", Base: withContext,
		Shapes: []Shape{
			{Ours, "Coppice, OneForAll", ours(strategy.OneForAll), false},
			{Ours, "Coppice, RestForOne", ours(strategy.RestForOne), false},
			{Floor, "record with context, in order", cycles(startRecord, n), true},
			{Floor, "record without context, in order", cycles(startBare, n), false},
		},
	}
}

// cycles measures the same for a row: it stops in reverse order and starts in order.
func cycles[T one](start func() T, n int) func(*Meter) {
	return func(m *Meter) {
		r := newRow(start, true)(n).(*row[T])
		for m.more() {
			m.time(n, func() {
				r.stop()
				for i := range r.all {
					r.all[i] = start()
					r.all[i].ready()
				}
			})
		}
		r.stop()
	}
}

const crowded = 100_000

// snapshot measures reading the status of 100,000 children.
func snapshot() Measure {
	var buf []child.Status
	ours := func(look func(*supervisor.Supervisor)) func(*Meter) {
		return func(m *Meter) {
			need(crowded)
			c := newCoppice(strategy.Independent)(crowded).(coppice)
			look(c.sup)
			m.Least = max(m.Least, 20*crowded) // so that the garbage collector runs several times or not at all
			m.Warm *= 10                       // until the heap has its size
			for m.more() {
				m.time(crowded, func() { look(c.sup) })
			}
			buf = nil
			c.stop()
		}
	}
	return Measure{
		Name: "snapshot of 100,000", Unit: "child", Target: "30 ns and no allocation with its buffer again, 180 ns without", Rounds: 3,
		Shapes: []Shape{
			{Ours, "AppendChildren, its buffer again", ours(func(s *supervisor.Supervisor) { buf = s.AppendChildren(buf[:0], 0) }), false},
			{Ours, "Children", ours(func(s *supervisor.Supervisor) { buf = s.Children() }), false},
			{Ours, "Tree", ours(func(s *supervisor.Supervisor) { s.Tree() }), false},
			{Floor, "a list of statuses, walked and copied", copies, false},
			{Peer, "go-service (its shape), state and name only", func(m *Meter) {
				need(crowded)
				c := newGoService(crowded).(*gsCrew)
				for m.more() {
					m.time(crowded, c.list)
				}
				c.stop()
			}, false},
		},
	}
}

// besideSnapshots measures a request while another goroutine takes one snapshot after another.
// The requests come at intervals: the next one does not wait for a slow one.
func besideSnapshots() Measure {
	beside := func(look func(*supervisor.Supervisor)) func(*Meter) {
		return func(m *Meter) {
			need(crowded)
			c := newCoppice(strategy.Independent)(crowded).(coppice)
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for look != nil {
					select {
					case <-stop:
						return
					default:
						look(c.sup)
					}
				}
			}()
			tick := time.NewTicker(time.Millisecond)
			m.Least = max(m.Least, 1000)
			for m.more() {
				m.time(100, func() {
					for range 100 {
						<-tick.C
						at := time.Now()
						must(c.sup.RestartChild(bg, names[0]))
						m.samples = append(m.samples, time.Since(at))
					}
				})
			}
			tick.Stop()
			close(stop)
			<-stopped
			c.stop()
		}
	}
	return Measure{
		Name: "RestartChild beside snapshots of 100,000", Unit: "request", Target: "p99 5 ms", Rounds: 2,
		Shapes: []Shape{
			{Ours, "no snapshots", beside(nil), false},
			{Ours, "Tree", beside(func(s *supervisor.Supervisor) { s.Tree() }), false},
			{Ours, "Children", beside(func(s *supervisor.Supervisor) { s.Children() }), false},
		},
	}
}

// treeAsJSON measures the two trees that used to be expensive as JSON. Each path of the deep
// one has all names above it, so the text itself grows with the square of the depth.
func treeAsJSON() (all []Measure) {
	for _, c := range []struct {
		what, target string
		forest       forest
	}{{"400 levels", "12 ms", slices.Repeat(forest{1}, 400)}, {"1,000 leaves", "2.8 ms", forest{1000}}} {
		all = append(all, Measure{
			Name: "Tree as JSON, " + c.what, Unit: "tree", Target: c.target,
			Shapes: []Shape{{Ours, "json.Marshal", func(m *Meter) {
				sup := c.forest.prepared()
				must(sup.Start(bg))
				t := sup.Tree()
				for m.more() {
					m.time(1, func() {
						_, err := json.Marshal(t)
						must(err)
					})
				}
				must(sup.Stop(bg))
			}, false}},
		})
	}
	return all
}

// deepRestart measures the restart of a child at the bottom of very many levels, whose events
// have no subscriber.
func deepRestart() Measure {
	m := Measure{Name: "restart after an error, events to nobody, below levels", Unit: "restart", Target: "flat"}
	for _, levels := range []int{1, 10, 100, 1000} {
		m.Shapes = append(m.Shapes, Shape{Ours, fmt.Sprintf("%d levels", levels), restarts(func(c *crasher) func() {
			spec := supervisor.Spec{Name: "s", Intensity: limits, Logger: quiet, Children: []child.Spec{{Name: "crasher", Run: c.run}}}
			sup := supervisor.New(spec)
			for range levels - 1 {
				sup = supervisor.New(supervisor.Spec{Name: "s", Logger: quiet, Children: []child.Spec{{Name: "s", Run: sup.Run}}})
			}
			must(sup.Start(bg))
			<-c.done
			return func() { must(sup.Stop(bg)) }
		}, false), false})
	}
	return m
}

// copies is the floor of a snapshot: it walks records that hold a ready-made status and
// copies it into a buffer.
func copies(m *Meter) {
	need(crowded)
	type kept struct {
		context.Context
		status child.Status
		next   *kept
	}
	var first *kept
	for i := range crowded {
		first = &kept{status: child.Status{Name: names[i], Path: names[i], Since: time.Now()}, next: first}
	}
	buf := make([]child.Status, 0, crowded)
	look := func() {
		buf = buf[:0]
		for k := first; k != nil; k = k.next {
			buf = append(buf, k.status)
		}
	}
	look() // as for Coppice: the first call maps the memory of the buffer
	for m.more() {
		m.time(crowded, look)
	}
}

// A forest is a tree of supervisors: the number of children of each, level by level.
type forest []int

func (f forest) spec() supervisor.Spec {
	spec := supervisor.Spec{Logger: quiet, Children: make([]child.Spec, f[0])}
	for i := range spec.Children {
		run := idle
		if len(f) > 1 {
			run = supervisor.New(f[1:].spec()).Run
		}
		spec.Children[i] = child.Spec{Name: names[i], Run: run}
	}
	return spec
}

// nestedRows measures two sizes, each with its own floor. The floor shows how much more a
// leaf costs in the larger one because of CPU caches alone.
func nestedRows() (all []Measure) {
	sizes := []struct {
		leaves  int
		forests []forest
	}{
		{1_000, []forest{{1_000}, {1, 1, 1, 1, 1_000}, {1, 10, 10, 10}}},
		{10_000, []forest{{10_000}, {1, 1, 1, 1, 10_000}, {10, 10, 10, 10}}},
	}
	row := func(what string, ours func(m *Meter, f forest, leaves int), floor func(m *Meter, leaves int)) {
		for _, size := range sizes {
			row := Measure{
				Name: fmt.Sprintf("nested: %s with %d leaves", what, size.leaves), Unit: "leaf", Rounds: 5,
				Target: "linear in leaves, levels cost nothing",
			}
			for _, f := range size.forests {
				name := fmt.Sprintf("Coppice, levels of %v", []int(f))
				row.Shapes = append(row.Shapes, Shape{Ours, name, func(m *Meter) { ours(m, f, size.leaves) }, false})
			}
			if floor != nil {
				row.Base = withContext
				row.Shapes = append(row.Shapes, Shape{Floor, recordOrder.name, func(m *Meter) { floor(m, size.leaves) }, true})
			}
			all = append(all, row)
		}
	}
	row("start", func(m *Meter, f forest, leaves int) {
		for m.more() {
			sup := f.prepared()
			m.time(leaves, func() { must(sup.Start(bg)) })
			must(sup.Stop(bg))
		}
	}, func(m *Meter, leaves int) {
		for m.more() {
			var c crew
			m.time(leaves, func() { c = recordOrder.make(leaves) })
			c.stop()
		}
	})
	row("stop", func(m *Meter, f forest, leaves int) {
		for m.more() {
			sup := f.prepared()
			must(sup.Start(bg))
			m.time(leaves, func() { must(sup.Stop(bg)) })
		}
	}, func(m *Meter, leaves int) {
		for m.more() {
			c := recordOrder.make(leaves)
			m.time(leaves, c.stop)
		}
	})
	row("Tree()", func(m *Meter, f forest, leaves int) {
		sup := f.prepared()
		must(sup.Start(bg))
		for m.more() {
			m.time(leaves, func() { sup.Tree() })
		}
		must(sup.Stop(bg))
	}, nil)
	return all
}

func (f forest) prepared() *supervisor.Supervisor {
	need(f[len(f)-1])
	return supervisor.New(f.spec())
}
