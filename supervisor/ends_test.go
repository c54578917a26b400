package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// An endTest asks children of a crew to stop, and has them return while the lock is
// held.
type endTest struct {
	restart   bool // they are asked to stop one by one, to be started again
	many      int
	before    func(s *Supervisor)                 // what is done before they return
	last      func(ctx child.Context)             // what each does then
	late      chan struct{}                       // if there is one, one more returns when it is closed
	meanwhile func(s *Supervisor, paths []string) // what is done when all the others' ends are left, in that order
}

func (e endTest) run(t *testing.T) {
	many, all := e.many, e.many
	if e.late != nil {
		all++
	}
	asked, mayReturn := new(sync.WaitGroup), make(chan struct{})
	asked.Add(all)
	var names []string
	begun := make([]atomic.Int32, all)
	spec := Spec{Strategy: strategy.Independent, Logger: slog.New(slog.DiscardHandler), Children: make([]child.Spec, all)}
	for i := range all {
		names = append(names, fmt.Sprint("c", i))
		spec.Children[i] = child.Spec{Name: names[i], StopTimeout: child.Forever, Run: func(ctx child.Context) error {
			first := begun[i].Add(1) == 1
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			if !first {
				return nil
			}
			asked.Done()
			<-mayReturn
			if i == many {
				<-e.late
			}
			if e.last != nil {
				e.last(ctx)
			}
			return nil
		}}
	}
	s := New(spec)
	require.NoError(t, s.Start(t.Context()))
	stopped := make(chan error)
	go func() {
		if e.restart {
			stopped <- s.RestartChild(context.Background(), names...)
		} else {
			stopped <- s.Stop(context.Background())
		}
	}()
	asked.Wait()

	l := s.latest()
	l.mu.Lock()
	if e.before != nil {
		e.before(s)
	}
	close(mayReturn)
	var paths []string
	for len(paths) < many {
		runtime.Gosched()
		paths = nil
		for r := l.ends.Load(); r != nil; r = r.later {
			paths = append([]string{r.Path()}, paths...)
		}
	}
	if e.meanwhile != nil {
		e.meanwhile(s, paths)
	}
	l.mu.Unlock()
	require.NoError(t, <-stopped)
	runs := int32(1)
	if e.restart {
		runs = 2
		require.NoError(t, s.Stop(context.Background()))
	}
	for i := range begun {
		require.Equal(t, runs, begun[i].Load(), names[i])
	}
	require.Zero(t, s.Count())
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Nil(t, l.ends.Load())
	require.Nil(t, l.left)
}

func TestEndsThatAreLeftAreToldInOrderAndInStretches(t *testing.T) {
	const many = 2*mostEnds + 100
	var order []string
	var told []Event
	var all sync.WaitGroup
	all.Add(many)
	endTest{many: many, meanwhile: func(s *Supervisor, paths []string) {
		order = paths
		// An end that is left has not been told yet, so it is told to who comes now.
		t.Cleanup(s.Subscribe(func(e Event) {
			told = append(told, e)
			all.Done()
		}, EventStopped))
	}}.run(t)
	all.Wait()
	for i, e := range told {
		require.Equal(t, order[i], e.Path)
		require.NoError(t, e.Err)
		if i > 0 && !e.Time.Equal(told[i-1].Time) {
			require.Zero(t, i%mostEnds, "what is brought in one go has one time")
		}
	}
}

func TestWhoIsToStartAgainIsBegunOnce(t *testing.T) {
	endTest{many: 2*mostEnds + 100, restart: true}.run(t)
}

// Only who has found the list empty waits for the lock.
func TestWhoLeavesItsEndDoesNotWait(t *testing.T) {
	endTest{many: 100, meanwhile: func(*Supervisor, []string) {
		for strings.Count(string(allStacks()), "(*run).exited(") > 1 { // the others are about to be gone
			runtime.Gosched()
		}
		waitFor(func(stack string) bool { return strings.Contains(stack, "(*life).bringEnds(") })
	}}.run(t)
}

// A grace may be asked for between the return of Run and the news of it.
func TestGraceOfAnEndThatIsLeftEnds(t *testing.T) {
	var runs []*run
	var noted sync.Mutex
	keep := func(ctx child.Context) {
		noted.Lock()
		defer noted.Unlock()
		runs = append(runs, ctx.(*run))
	}
	endTest{many: 2 * mostEnds, last: keep, meanwhile: func(*Supervisor, []string) {
		for _, r := range runs { // what Grace does, which would have to wait for the lock
			r.graced.Store(true)
			r.get().grace, r.few.graceEnd = context.WithCancelCause(context.WithoutCancel(r))
		}
	}}.run(t)
	for _, r := range runs {
		<-r.few.grace.Done()
		require.Nil(t, r.later, "who keeps a context keeps no other run")
	}
}

// Nobody is left behind whose end has been left, also if the news of it comes to the
// lock behind who is about to abandon him.
func TestWhoHasLeftItsEndIsNotLeftBehind(t *testing.T) {
	halting := func(s *Supervisor) {
		go s.latest().halt(nil)
		waitFor(func(stack string) bool {
			return strings.Contains(stack, "(*life).halt(") && strings.Contains(stack, "runtime_SemacquireMutex(")
		})
	}
	const many = 2*mostEnds + 100
	t.Run("at rest", func(t *testing.T) { endTest{many: many, before: halting}.run(t) })
	t.Run("while others are brought", func(t *testing.T) {
		late := make(chan struct{})
		endTest{many: 100, before: halting, late: late, meanwhile: func(s *Supervisor, _ []string) {
			l := s.latest()
			l.left = inOrder(l.ends.Swap(nil)) // as between two stretches
			close(late)
			for l.ends.Load() == nil {
				runtime.Gosched()
			}
		}}.run(t)
	})
}

// waitFor waits until the stack of some goroutine is as wanted.
func waitFor(wanted func(stack string) bool) {
	for !slices.ContainsFunc(strings.Split(string(allStacks()), "\n\n"), wanted) {
		runtime.Gosched()
	}
}
