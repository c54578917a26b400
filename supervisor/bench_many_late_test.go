package supervisor

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// What it costs when very many children are late at once: make outage. Each reports how
// long it took until all were dealt with, the longest delay of a 10 ms ticker of the
// program beside it, and the longest Count.

// aside runs a ticker and a caller of Count until stop is called.
func aside(s *Supervisor) (stop func() (ticker, count time.Duration)) {
	end, ended := make(chan struct{}), make(chan [2]time.Duration)
	go func() {
		var worst [2]time.Duration
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for last := time.Now(); ; {
			select {
			case <-end:
				ended <- worst
				return
			case <-ticks.C:
			}
			now := time.Now()
			worst[0] = max(worst[0], now.Sub(last)-10*time.Millisecond)
			s.Count()
			last = time.Now()
			worst[1] = max(worst[1], last.Sub(now))
		}
	}()
	return func() (ticker, count time.Duration) {
		close(end)
		worst := <-ended
		return worst[0], worst[1]
	}
}

func report(b *testing.B, took, ticker, count time.Duration, withStack, dumps int) {
	b.ReportMetric(float64(took.Milliseconds()), "ms")
	b.ReportMetric(float64(ticker.Milliseconds()), "ms-ticker")
	b.ReportMetric(float64(count.Microseconds())/1000, "ms-Count")
	b.ReportMetric(float64(withStack), "stacks")
	b.ReportMetric(float64(dumps), "dumps")
}

func BenchmarkAThousandMissedHeartbeats(b *testing.B) {
	const n = 1000
	for _, each := range []int{n, 10} {
		b.Run(fmt.Sprintf("%d to a supervisor", each), func(b *testing.B) {
			for b.Loop() {
				free := make(chan struct{})
				all := heedless(n, free)
				for i := range all {
					all[i].Heartbeat, all[i].Restart, all[i].StopTimeout = time.Second, child.Temporary, child.AtOnce
				}
				s := New(Spec{Strategy: strategy.Independent, Logger: silent, Children: nested(each, all, Spec{Strategy: strategy.Independent})})
				var stacks atomic.Int64
				done := make(chan struct{})
				left := int64(n)
				cancel := s.Subscribe(func(e Event) {
					if e.Stack != nil {
						stacks.Add(1)
					}
					if atomic.AddInt64(&left, -1) == 0 {
						close(done)
					}
				}, EventHung)
				if err := s.Start(context.Background()); err != nil {
					b.Fatal(err)
				}
				due := time.Now().Add(time.Second)
				stop := aside(s)
				<-done
				took := time.Since(due)
				ticker, count := stop()
				report(b, took, ticker, count, int(stacks.Load()), dumpsTaken(s))
				cancel()
				close(free)
				_ = s.Stop(context.Background())
			}
		})
	}
}

func BenchmarkTenThousandThatDoNotStop(b *testing.B) {
	const n = 10_000
	for name, spec := range map[string]Spec{
		"Spec.StopTimeout of 1 s": {Strategy: strategy.Independent, StopTimeout: time.Second},
		"each within 1 s":         {Strategy: strategy.Independent},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				free := make(chan struct{})
				spec.Logger, spec.Children = silent, heedless(n, free)
				for i := range spec.Children {
					if spec.StopTimeout == 0 {
						spec.Children[i].StopTimeout = time.Second
					}
				}
				s := New(spec)
				if err := s.Start(context.Background()); err != nil {
					b.Fatal(err)
				}
				beside := aside(s)
				began := time.Now()
				stop, _ := s.Stop(context.Background()).(*StopError)
				took := time.Since(began)
				ticker, count := beside()
				stacks := 0
				for _, run := range stop.Abandoned {
					if run.Stack != nil {
						stacks++
					}
				}
				report(b, took, ticker, count, stacks, dumpsTaken(s))
				close(free)
			}
		})
	}
}

func BenchmarkResumeOf40000(b *testing.B) {
	const n = 40_000
	for b.Loop() {
		fail := make(chan struct{})
		var specs []child.Spec
		for i := range n {
			first := true
			specs = append(specs, child.Spec{Name: fmt.Sprint(i), Restart: child.Permanent, Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				if first {
					first = false
					<-fail
					return nil
				}
				<-ctx.Done()
				return nil
			}})
		}
		s := New(Spec{Strategy: strategy.Independent, Intensity: strategy.Unlimited(), Logger: silent, Children: specs})
		if err := s.Start(context.Background()); err != nil {
			b.Fatal(err)
		}
		s.Suspend(context.Background())
		close(fail)
		for s.Count().Active > 0 {
			time.Sleep(time.Millisecond) // real time: it is a benchmark
		}
		beside := aside(s)
		began := time.Now()
		s.Resume(context.Background())
		took := time.Since(began)
		ticker, count := beside()
		report(b, took, ticker, count, 0, 0)
		_ = s.Stop(context.Background())
	}
}

// All children of one supervisor fail at once, and wait for their backoff: an outage.
func BenchmarkTwentyThousandFailuresAtOnce(b *testing.B) {
	const n = 20_000
	for b.Loop() {
		s, away := newOutage(n)
		if err := s.Start(context.Background()); err != nil {
			b.Fatal(err)
		}
		beside := aside(s)
		began := time.Now()
		close(away)
		for s.Count().Active > 0 || len(s.AppendChildren(nil, 1, child.Starting, child.Running)) > 0 {
			time.Sleep(time.Millisecond) // real time: it is a benchmark
		}
		for { // until the backoffs have answered
			last := s.Children(child.Waiting)
			if len(last) == n && !slices.ContainsFunc(last, func(st child.Status) bool { return st.NextStart.IsZero() }) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		took := time.Since(began)
		ticker, count := beside()
		report(b, took, ticker, count, 0, 0)
		_ = s.Stop(context.Background())
	}
}

// costsTheSame checks that each of very many things costs about as much as each of a few. The
// factor permitted is far below that of a search among all, a hundred or more, and above
// noise. all does n of them and returns how long that took.
func costsTheSame(t *testing.T, all func(n int) time.Duration) {
	const few, many, permitted = 200, 20_000, 30
	var least, most time.Duration
	for range 3 { // noise does not come three times running
		least, most = all(few)/few, all(many)/many
		if most < permitted*least {
			return
		}
	}
	t.Errorf("each of %d takes %v, each of %d takes %v", few, least, many, most)
}

func TestAbandonedRunReturnsAtTheSameCostHoweverManyThereAre(t *testing.T) {
	costsTheSame(t, func(n int) time.Duration {
		l := &life{shared: new(shared)}
		runs := make([]*run, n)
		for i := range runs {
			runs[i] = &run{life: l, rare: new(rare)}
			l.shared.add(runs[i])
		}
		began := time.Now()
		for _, r := range slices.Backward(runs) {
			l.shared.returned(r)
		}
		return time.Since(began)
	})
}

func TestNestedSupervisorEndsAtTheSameCostHoweverManyLogsHang(t *testing.T) {
	costsTheSame(t, func(n int) time.Duration {
		tree := new(shared)
		began := time.Now()
		for range n {
			l := &life{sup: new(Supervisor), log: new(logger)}
			l.log.lines.Store(&subscription{busy: true})
			tree.outlive(l)
		}
		return time.Since(began)
	})
}
