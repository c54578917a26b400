package bench

import (
	"context"
	"runtime"

	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// jobLimit is how many short jobs run at the same time.
const jobLimit = 16

// withPool measures jobs in a pool that runs under a supervisor.
func withPool(jobs func(*task.Pool)) func(*Meter) {
	return func(m *Meter) {
		p := task.New(task.Spec{Limit: jobLimit})
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "pool", Run: p.Run}}})
		must(sup.Start(bg))
		for m.more() {
			m.time(batch, func() { jobs(p) })
		}
		must(sup.Stop(bg))
	}
}

func withoutPool(jobs func()) func(*Meter) {
	return func(m *Meter) {
		for m.more() {
			m.time(batch, jobs)
		}
	}
}

// eachJob yields the numbers of a batch.
func eachJob(yield func(int) bool) {
	for i := range batch {
		if !yield(i) {
			return
		}
	}
}

// shortJobs measures jobs that do next to nothing, at most jobLimit at a time. The floors are
// an errgroup with a limit, whose jobs share one context.
func shortJobs() []Measure {
	work := func(_ context.Context, i int) (int, error) { return i, nil }
	eachWork := func(context.Context, int) error { return nil }
	grouped := func() {
		g, _ := errgroup.WithContext(bg)
		g.SetLimit(jobLimit)
		for i := range batch {
			g.Go(func() error { _ = i; return nil })
		}
		must(g.Wait())
	}
	collected := func() {
		g, ctx := errgroup.WithContext(bg)
		g.SetLimit(jobLimit)
		results := make([]int, batch)
		for i := range batch {
			g.Go(func() (err error) {
				results[i], err = work(ctx, i)
				return err
			})
		}
		must(g.Wait())
		runtime.KeepAlive(results)
	}
	channelled := func() {
		g, ctx := errgroup.WithContext(bg)
		g.SetLimit(jobLimit)
		results := make([]chan int, batch)
		for i := range batch {
			result := make(chan int, 1)
			results[i] = result
			g.Go(func() error {
				v, err := work(ctx, i)
				result <- v
				return err
			})
		}
		for _, result := range results {
			<-result
		}
		must(g.Wait())
	}
	return []Measure{{
		Name: "short job, no result", Unit: "job", Target: "2x", Base: "errgroup with a limit",
		Shapes: []Shape{
			{Ours, "Coppice, task.Each", withPool(func(p *task.Pool) { must(task.Each(bg, p, eachJob, eachWork)) }), false},
			{Floor, "errgroup", withoutPool(grouped), true},
			{Peer, "conc", withoutPool(func() {
				p := pool.New().WithMaxGoroutines(jobLimit).WithErrors()
				for range batch {
					p.Go(func() error { return nil })
				}
				must(p.Wait())
			}), false},
		},
	}, {
		Name: "short job with a result", Unit: "job", Target: "2x", Base: "errgroup with a limit",
		Shapes: []Shape{
			{Ours, "Coppice, task.Map", withPool(func(p *task.Pool) {
				for r := range task.Map(bg, p, eachJob, work) {
					must(r.Err)
				}
			}), false},
			{Floor, "errgroup, results in a slice", withoutPool(collected), true},
		},
	}, {
		Name: "short job with a result that others can wait for", Unit: "job", Target: "2x", Base: "errgroup with a limit, and a channel for each result",
		Shapes: []Shape{
			{Ours, "Coppice, task.Go and Wait", withPool(func(p *task.Pool) {
				all := make([]*task.Task[int], batch)
				for i := range all {
					all[i] = task.Go(bg, p, "job", func(ctx context.Context) (int, error) { return work(ctx, i) })
				}
				for _, t := range all {
					_, err := t.Wait(bg)
					must(err)
				}
			}), false},
			{Floor, "errgroup, a channel for each result", withoutPool(channelled), true},
		},
	}}
}

// jobAsChild measures jobs that do nothing and are children of their own, one after another. The
// caller waits for each.
func jobAsChild() Measure {
	job := func(child.Context) error { return nil }
	return Measure{
		Name: "short job through StartChild", Unit: "job", Target: "2,000 ns, 5 allocations", Base: "errgroup with a limit, which answers no single job",
		Shapes: []Shape{
			{Ours, "Coppice, Independent, Temporary", func(m *Meter) {
				c := newCoppice(strategy.Independent)(0).(coppice)
				for m.more() {
					m.time(batch, func() {
						for range batch {
							must(c.sup.StartChild(bg, child.Spec{Name: "job", Run: job, Restart: child.Temporary}))
						}
					})
				}
				c.stop()
			}, false},
			{Floor, "record with context, awaited", withoutPool(func() {
				for range batch {
					ctx, cancel := context.WithCancel(context.Background())
					done := make(chan error, 1)
					go func() { done <- ctx.Err() }()
					must(<-done)
					cancel()
				}
			}), false},
			{Peer, "go-service (its shape)", func(m *Meter) {
				g := &gsRunner{all: make(map[*gsService]*gsRun)}
				s := &gsService{name: "job", run: (*gsRun).Ready}
				for m.more() {
					m.time(batch, func() {
						for range batch {
							must(g.start(bg, s))
							must(g.haltAll(bg, s))
						}
					})
				}
			}, false},
			{Peer, "errgroup", withoutPool(func() {
				g, _ := errgroup.WithContext(bg)
				g.SetLimit(jobLimit)
				for range batch {
					g.Go(func() error { return nil })
				}
				must(g.Wait())
			}), true},
		},
	}
}
