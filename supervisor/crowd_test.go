package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

func TestLettingOthersGoFirstIsInVain(t *testing.T) {
	for _, c := range []struct {
		came int
		took time.Duration
		want bool
	}{
		{0, 0, false}, // nobody else could run, or the clock stands still
		{0, 50 * time.Microsecond, false},
		{0, time.Millisecond, true},
		{40, 40 * time.Millisecond, true}, // they came by and by
		{40, 80 * time.Microsecond, false},
		{10_000, 20 * time.Millisecond, false},
	} {
		require.Equal(t, c.want, inVain(c.came, c.took), "%d came in %v", c.came, c.took)
	}
}

// Children that take long to start or to stop are not about to become ready or to return. A
// chain beside them must not let go first, again and again, what else the process does.
func TestSlowChildrenAreNoCrowd(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var busy sync.WaitGroup
	idle := make(chan struct{})
	busy.Go(func() { // something else, which takes a millisecond each time
		for !isClosed(idle) {
			for at := time.Now(); time.Since(at) < time.Millisecond; {
			}
			runtime.Gosched()
		}
	})
	defer busy.Wait()
	defer close(idle)

	const slow, chain = 2 * crowd, 50
	mayBeReady, mayEnd := make(chan struct{}), make(chan struct{})
	var started, stopped sync.WaitGroup // of the chain
	started.Add(chain)
	stopped.Add(chain)
	spec := Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler)}
	for i := range slow {
		spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprint("slow", i), Run: func(ctx child.Context) error {
			<-mayBeReady
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			<-mayEnd
			return nil
		}})
	}
	for i := range chain {
		c := child.Spec{Name: fmt.Sprint("chain", i), Run: func(ctx child.Context) error {
			defer stopped.Done()
			err := ctx.Ready()
			started.Done()
			<-ctx.Done()
			return err
		}}
		if i > 0 {
			c.Needs = []string{fmt.Sprint("chain", i-1)}
		}
		spec.Children = append(spec.Children, c)
	}
	s := New(spec)
	result := make(chan error)
	go func() { result <- s.Start(context.Background()) }()
	started.Wait()
	l := s.latest()
	require.LessOrEqual(t, int(l.posts.Load()), 3, "the first of the chain finds out that the others are slow")
	require.False(t, l.postsReady.Load())
	close(mayBeReady)
	require.NoError(t, <-result)

	go func() { result <- s.Stop(context.Background()) }()
	stopped.Wait()
	require.False(t, l.crowded.Load())
	close(mayEnd)
	require.NoError(t, <-result)
}
