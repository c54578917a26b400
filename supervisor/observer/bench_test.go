package observer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// BenchmarkRestart is the cost of a restart after a failure: without an observer, with an
// empty subscriber, and with an observer that nobody looks at. In the storm one child
// fails again at once, a restart takes less than a microsecond, and so most events are
// dropped. In the pace one comes every 20 µs.
func BenchmarkRestart(b *testing.B) {
	for _, storm := range []bool{true, false} {
		kind := map[bool]string{true: "storm", false: "pace"}[storm]
		b.Run(kind+"/alone", func(b *testing.B) {
			benchmarkRestart(b, storm, func(*supervisor.Supervisor) func() { return func() {} })
		})
		b.Run(kind+"/subscriber", func(b *testing.B) {
			benchmarkRestart(b, storm, func(s *supervisor.Supervisor) func() { return s.Subscribe(func(supervisor.Event) {}) })
		})
		b.Run(kind+"/batches", func(b *testing.B) {
			benchmarkRestart(b, storm, func(s *supervisor.Supervisor) func() {
				_, cancel := s.SubscribeBatches(20*time.Millisecond, func([]supervisor.Event) {})
				return cancel
			})
		})
		b.Run(kind+"/observer", func(b *testing.B) {
			benchmarkRestart(b, storm, func(s *supervisor.Supervisor) func() {
				ctx, cancel := context.WithCancel(context.Background())
				observer.New(ctx, observer.Spec{Root: s})
				return cancel
			})
		})
	}
}

func benchmarkRestart(b *testing.B, storm bool, watch func(*supervisor.Supervisor) func()) {
	const pace = 20 * time.Microsecond
	boom := errors.New("dial tcp 10.0.4.17:5432: connect: connection refused")
	n := 0
	var failed time.Time
	var took []time.Duration
	done := make(chan struct{})
	root := supervisor.New(supervisor.Spec{
		Intensity: strategy.Unlimited(), Logger: slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "c", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			if !storm && n > 0 {
				took = append(took, time.Since(failed))
			}
			if n++; n >= b.N+1 {
				if n == b.N+1 {
					close(done)
				}
				<-ctx.Done()
				return nil
			}
			if !storm {
				for began := time.Now(); time.Since(began) < pace; { // works
				}
				failed = time.Now()
			}
			return boom
		}}},
	})
	defer watch(root)()
	took = make([]time.Duration, 0, b.N)
	b.ResetTimer()
	if err := root.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	<-done
	b.StopTimer()
	_ = root.Stop(context.Background())
	if !storm && len(took) > 0 {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2]), "ns/restart")
	}
}

// BenchmarkRestartChildWhileAPageIsOpen is the time of RestartChild among 100,000 children
// while a page polls their rows and the tree. It reports the 99th percentile.
func BenchmarkRestartChildWhileAPageIsOpen(b *testing.B) {
	for _, open := range []bool{false, true} {
		b.Run(map[bool]string{false: "alone", true: "page"}[open], func(b *testing.B) {
			const children = 100_000
			pool := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
			root := supervisor.New(supervisor.Spec{Name: "shop", Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if err := root.Start(ctx); err != nil {
				b.Fatal(err)
			}
			defer root.Stop(context.Background())
			specs := make([]child.Spec, children)
			for i := range specs {
				specs[i] = child.Spec{Name: fmt.Sprintf("s-%d", i), Run: idle}
			}
			if err := pool.StartChild(ctx, specs...); err != nil {
				b.Fatal(err)
			}
			o := observer.New(ctx, observer.Spec{Root: root})
			var reader sync.WaitGroup
			stop := make(chan struct{})
			if open {
				reader.Go(func() {
					tick := time.NewTicker(500 * time.Millisecond)
					defer tick.Stop()
					for {
						do(o, local(http.MethodGet, "/tree.json", ""))
						do(o, local(http.MethodGet, "/children.json?path=pool&sort=restarts&n=500", ""))
						select {
						case <-tick.C:
						case <-stop:
							return
						}
					}
				})
			}
			took := make([]time.Duration, 0, b.N)
			b.ResetTimer()
			for i := range b.N {
				began := time.Now()
				if err := pool.RestartChild(ctx, fmt.Sprintf("s-%d", i*7919%children)); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
				time.Sleep(100 * time.Microsecond)
			}
			b.StopTimer()
			close(stop)
			reader.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
		})
	}
}
