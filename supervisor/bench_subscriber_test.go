package supervisor_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// BenchmarkRestartsWithSubscribers shows what a subscriber adds to a restart. The child
// fails as soon as it is ready, which no child does for long.
func BenchmarkRestartsWithSubscribers(b *testing.B) {
	ignore := func(supervisor.Event) {}
	for _, bench := range []struct {
		name      string
		subscribe func(*supervisor.Supervisor) func()
	}{
		{"none", func(*supervisor.Supervisor) func() { return func() {} }},
		{"failures", func(s *supervisor.Supervisor) func() { return s.Subscribe(ignore, supervisor.EventFailed) }},
		{"all", func(s *supervisor.Supervisor) func() { return s.Subscribe(ignore) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			left, done := b.N, make(chan struct{})
			sup := supervisor.New(supervisor.Spec{Intensity: strategy.Unlimited(), Logger: quiet, Children: []child.Spec{{
				Name: "a", Restart: child.Transient, Run: func(ctx child.Context) error {
					if err := ctx.Ready(); err != nil {
						return err
					}
					if left--; left < 0 {
						close(done)
						return nil
					}
					return errBoom
				},
			}}})
			defer bench.subscribe(sup)()
			b.ReportAllocs()
			b.ResetTimer()
			require.NoError(b, sup.Start(b.Context()))
			<-done
			b.StopTimer()
			require.NoError(b, sup.Stop(b.Context()))
		})
	}
}

// BenchmarkRestartsWithBatches is what a subscriber adds to a restart itself. The child
// delivers the batch after every 50 restarts, and that is not measured. It reports the lower
// quartile of the means of 50, so that it can be compared on a busy machine:
//
//	go test -run '^$' -bench RestartsWithBatches -benchtime 5000x -count 20 -cpu 1 ./supervisor
func BenchmarkRestartsWithBatches(b *testing.B) {
	for _, bench := range []struct {
		name string
		only []supervisor.EventKind // nil: no subscriber
	}{
		{"none", nil},
		{"other", []supervisor.EventKind{supervisor.EventGaveUp}},
		{"failures", []supervisor.EventKind{supervisor.EventFailed}},
		{"all", everyKind()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			const each = 50
			left, done := b.N, make(chan struct{})
			flush := func(context.Context) error { return nil }
			var began time.Time
			took := make([]time.Duration, 0, b.N/each+1)
			sup := supervisor.New(supervisor.Spec{Intensity: strategy.Unlimited(), Logger: quiet, Children: []child.Spec{{
				Name: "a", Restart: child.Transient, Run: func(ctx child.Context) error {
					if err := ctx.Ready(); err != nil {
						return err
					}
					if left--; left < 0 {
						close(done)
						return nil
					}
					if left%each == 0 {
						took = append(took, time.Since(began))
						_ = flush(context.Background())
						began = time.Now()
					}
					return errBoom
				},
			}}})
			if bench.only != nil {
				var cancel func()
				flush, cancel = sup.SubscribeBatches(time.Hour, func([]supervisor.Event) {}, bench.only...)
				defer cancel()
			}
			began = time.Now()
			require.NoError(b, sup.Start(b.Context()))
			<-done
			require.NoError(b, sup.Stop(b.Context()))
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/4])/each, "ns/restart")
		})
	}
}
