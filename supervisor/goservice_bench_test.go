package supervisor_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// go-service's benchmarks: what a start costs, of one and of ten, against bare
// goroutines. There a start was timed alone; here it is timed with its removal,
// since that is what can be repeated.
//
//	go test -run - -bench GoService ./supervisor

func BenchmarkGoServiceStart1(b *testing.B)      { startAndRemove(b, 1) }
func BenchmarkGoServiceStart10(b *testing.B)     { startAndRemove(b, 10) }
func BenchmarkGoServiceGoroutine1(b *testing.B)  { bareGoroutines(b, 1) }
func BenchmarkGoServiceGoroutine10(b *testing.B) { bareGoroutines(b, 10) }

func startAndRemove(b *testing.B, n int) {
	sup := newRoot(supervisor.Spec{Strategy: strategy.Independent})
	ctx := context.Background()
	require.NoError(b, sup.Start(ctx))
	specs, paths := make([]child.Spec, n), make([]string, n)
	for i := range n {
		paths[i] = fmt.Sprint("child-", i)
		specs[i] = child.Spec{Name: paths[i], Run: idle, Restart: child.Temporary}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := sup.StartChild(ctx, specs...); err != nil {
			b.Fatal(err)
		}
		if err := sup.RemoveChild(ctx, paths...); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, sup.Stop(ctx))
}

// bareGoroutines starts and ends as many by hand, with a context and two channels.
func bareGoroutines(b *testing.B, n int) {
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		ready, done := make(chan struct{}, n), make(chan struct{}, n)
		for range n {
			go func() {
				ready <- struct{}{}
				<-ctx.Done()
				done <- struct{}{}
			}()
		}
		for range n {
			<-ready
		}
		cancel()
		for range n {
			<-done
		}
	}
}
