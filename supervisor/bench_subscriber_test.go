package supervisor_test

import (
	"testing"

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
