package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// withEndsLeft asks so many children of a crew to stop, and has them return while the
// lock is held. It calls meanwhile when all their ends are left, with their paths in the
// order in which they ended, and then releases the lock.
func withEndsLeft(t *testing.T, many int, body func(child.Context), meanwhile func(s *Supervisor, paths []string)) *Supervisor {
	asked, mayReturn := new(sync.WaitGroup), make(chan struct{})
	asked.Add(many)
	spec := Spec{Strategy: strategy.Independent, Logger: slog.New(slog.DiscardHandler), Children: make([]child.Spec, many)}
	for i := range many {
		spec.Children[i] = child.Spec{Name: fmt.Sprint("c", i), StopTimeout: child.Forever, Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			asked.Done()
			<-mayReturn
			body(ctx)
			return nil
		}}
	}
	s := New(spec)
	require.NoError(t, s.Start(t.Context()))
	stopped := make(chan error)
	go func() { stopped <- s.Stop(context.Background()) }()
	asked.Wait()

	l := s.latest()
	l.mu.Lock()
	close(mayReturn)
	var paths []string
	for len(paths) < many {
		runtime.Gosched()
		paths = nil
		for r := l.ends.Load(); r != nil; r = r.later {
			paths = append([]string{r.Path()}, paths...)
		}
	}
	meanwhile(s, paths)
	l.mu.Unlock()
	require.NoError(t, <-stopped)
	require.Nil(t, l.ends.Load())
	require.Zero(t, s.Count())
	return s
}

func TestEndsThatAreLeftAreToldInOrderAndInStretches(t *testing.T) {
	const many = 2*mostEnds + 100
	var order []string
	var told []Event
	var all sync.WaitGroup
	all.Add(many)
	withEndsLeft(t, many, func(child.Context) {}, func(s *Supervisor, paths []string) {
		order = paths
		// An end that is left has not been told yet, so it is told to who comes now.
		t.Cleanup(s.Subscribe(func(e Event) {
			told = append(told, e)
			all.Done()
		}, EventStopped))
	})
	all.Wait()
	times := 1
	for i, e := range told {
		require.Equal(t, order[i], e.Path)
		require.NoError(t, e.Err)
		if i > 0 && !e.Time.Equal(told[i-1].Time) {
			times++
			require.Zero(t, i%mostEnds, "what is brought in one go has one time")
		}
	}
	require.Equal(t, 3, times)
}

// Only who has found the list empty waits for the lock.
func TestWhoLeavesItsEndDoesNotWait(t *testing.T) {
	withEndsLeft(t, 100, func(child.Context) {}, func(*Supervisor, []string) {
		bringing := 0
		for bringing != 1 { // the others are about to be gone
			runtime.Gosched()
			bringing = strings.Count(string(allStacks()), "supervisor.(*life).bringEnds(")
			if left := strings.Count(string(allStacks()), "supervisor.(*run).exited("); left > 1 {
				bringing = 0
			}
		}
	})
}

// A grace may be asked for between the return of Run and the news of it.
func TestGraceOfAnEndThatIsLeftEnds(t *testing.T) {
	const many = 2 * mostEnds
	var contexts sync.Map
	var ended sync.WaitGroup
	keep := func(ctx child.Context) { contexts.Store(ctx, nil) }
	withEndsLeft(t, many, keep, func(*Supervisor, []string) {
		contexts.Range(func(ctx, _ any) bool {
			ended.Go(func() { <-ctx.(child.Context).Grace().Done() })
			return true
		})
	})
	ended.Wait()
	contexts.Range(func(ctx, _ any) bool {
		require.Nil(t, ctx.(*run).later, "who keeps a context keeps no other run")
		return true
	})
}
