package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// An endTest stops many independent children, which return while the lock is held.
type endTest struct {
	many      int
	before    func(s *Supervisor)                 // what is done before they return
	last      func(ctx child.Context)             // what each does then
	late      chan struct{}                       // if there is one, one more returns when it is closed
	meanwhile func(s *Supervisor, paths []string) // what is done when the ends of all others are posted, in that order
}

func (e endTest) run(t *testing.T) {
	many, all := e.many, e.many
	if e.late != nil {
		all++
	}
	asked, mayReturn := new(sync.WaitGroup), make(chan struct{})
	asked.Add(all)
	spec := Spec{Strategy: strategy.Independent, Logger: slog.New(slog.DiscardHandler), Children: make([]child.Spec, all)}
	for i := range all {
		spec.Children[i] = child.Spec{Name: fmt.Sprint("c", i), StopTimeout: child.Forever, Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
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
	go func() { stopped <- s.Stop(context.Background()) }()
	asked.Wait()

	l := s.latest()
	l.mu.Lock()
	if e.before != nil {
		e.before(s)
	}
	close(mayReturn)
	var paths []string
	waitFor(func() bool {
		paths = nil
		for r := l.exits.Load(); r != nil; r = r.nextPosted {
			paths = append([]string{r.Path()}, paths...)
		}
		return len(paths) == many
	})
	if e.meanwhile != nil {
		e.meanwhile(s, paths)
	}
	l.mu.Unlock()
	require.NoError(t, <-stopped)
	require.Zero(t, s.Count())
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Nil(t, l.exits.Load())
	require.Nil(t, l.draining)
}

func TestPostedExitsAreReportedInOrderAndInBatches(t *testing.T) {
	const many = 2*machine.BatchSize + 100
	var order []string
	var recorded []Event
	var all sync.WaitGroup
	all.Add(many)
	endTest{many: many, meanwhile: func(s *Supervisor, paths []string) {
		order = paths
		// A posted exit has not been published yet, so this subscriber receives it.
		t.Cleanup(s.Subscribe(func(e Event) {
			recorded = append(recorded, e)
			all.Done()
		}, EventStopped))
	}}.run(t)
	all.Wait()
	for i, e := range recorded {
		require.Equal(t, order[i], e.Path)
		require.NoError(t, e.Err)
		if i > 0 && !e.Time.Equal(recorded[i-1].Time) {
			require.Zero(t, i%machine.BatchSize, "the exits of one batch have one time")
		}
	}
}

// With one processor, the first child that returns would handle its exit before the second
// runs.
func TestExitsOfACrowdShareABatch(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const many = 20 * crowd
	spec := Spec{Strategy: strategy.Independent, Logger: slog.New(slog.DiscardHandler), Children: make([]child.Spec, many)}
	for i := range many {
		spec.Children[i] = child.Spec{Name: fmt.Sprint("c", i), Run: obedientRun}
	}
	s := New(spec)
	exits, batches := 0, make(map[time.Time]bool) // the exits of a batch have one time
	defer s.Subscribe(func(e Event) {
		exits++
		batches[e.Time] = true
	}, EventStopped)()
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, s.Stop(context.Background()))
	require.Equal(t, many, exits)
	require.Less(t, len(batches), many/4, "apart from the last ones, which are no crowd, few exits are alone")
}

// What many exits lead to is done in more than one batch.
func TestExitsShareABatch(t *testing.T) {
	const users, hubs = 50, 20 // for each user
	var asked sync.WaitGroup
	asked.Add(users)
	mayEnd := make(chan struct{})
	spec := Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler)}
	for i := range users {
		var needs []string
		for j := range hubs {
			needs = append(needs, fmt.Sprint("hub", i, "-", j))
			spec.Children = append(spec.Children, child.Spec{Name: needs[j], Run: obedientRun})
		}
		spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprint("user", i), Needs: needs, Run: func(ctx child.Context) error {
			err := ctx.Ready()
			<-ctx.Done()
			asked.Done()
			<-mayEnd
			return err
		}})
	}
	s := New(spec)
	require.NoError(t, s.Start(t.Context()))
	stopped := make(chan error)
	go func() { stopped <- s.Stop(context.Background()) }()
	l := s.latest()
	asked.Wait()
	l.lock()
	close(mayEnd)
	waitFor(func() bool {
		n := 0
		for r := l.exits.Load(); r != nil; r = r.nextPosted {
			n++
		}
		return n == users
	})
	l.draining = inOrder(l.exits.Swap(nil))
	var after step
	n, tasks := l.drainBatch(&after), 0
	for after.noted(tasks).what != nothing {
		tasks++
	}
	l.mu.Unlock()
	l.runTasks(&after)
	require.Equal(t, users, n)
	require.Equal(t, machine.BatchSize+1, tasks, "a batch, and that it continues")
	require.NoError(t, <-stopped)
}

// Only one run waits for the lock.
func TestRunThatPostsItsExitDoesNotWait(t *testing.T) {
	onlyOneWaits := func() {
		waitFor(func() bool { // the others are about to be gone
			stacks := stacksText()
			return strings.Count(stacks, "(*run).exited(") == 1 && strings.Count(stacks, "(*life).drainExits(") == 1
		})
	}
	t.Run("at rest", func(t *testing.T) {
		endTest{many: 100, meanwhile: func(*Supervisor, []string) { onlyOneWaits() }}.run(t)
	})
	t.Run("while others are brought", func(t *testing.T) {
		late := make(chan struct{})
		endTest{many: 100, late: late, meanwhile: func(s *Supervisor, _ []string) {
			l := s.latest()
			l.draining = inOrder(l.exits.Swap(nil)) // as within a batch
			close(late)
			waitFor(func() bool { return l.exits.Load() != nil })
			onlyOneWaits()
		}}.run(t)
	})
}

// Grace may be called after Run has returned and before the supervisor knows.
func TestGraceOfAPostedExitEnds(t *testing.T) {
	var runs []*run
	var noted sync.Mutex
	keep := func(ctx child.Context) {
		noted.Lock()
		defer noted.Unlock()
		runs = append(runs, ctx.(*run))
	}
	endTest{many: 2 * machine.BatchSize, last: keep, meanwhile: func(*Supervisor, []string) {
		for _, r := range runs { // what Grace does, which would have to wait for the lock
			r.graced.Store(true)
			r.ensureRare().grace, r.rare.graceEnd = context.WithCancelCause(context.WithoutCancel(r))
		}
	}}.run(t)
	require.Len(t, runs, 2*machine.BatchSize)
	for _, r := range runs {
		<-r.rare.grace.Done()
		require.Nil(t, r.nextPosted, "a kept context keeps no other run")
	}
}

// A run whose exit has been posted is not abandoned, even if another goroutine that is
// about to abandon it gets the lock first.
func TestRunThatHasPostedItsExitIsNotAbandoned(t *testing.T) {
	halting := func(s *Supervisor) {
		go s.latest().abandonAll(nil)
		waitFor(func() bool {
			return slices.ContainsFunc(strings.Split(stacksText(), "\n\n"), func(stack string) bool {
				return strings.Contains(stack, "(*life).abandonAll(") && strings.Contains(stack, "sync.(*Mutex).Lock(")
			})
		})
	}
	const many = 2*machine.BatchSize + 100
	t.Run("at rest", func(t *testing.T) { endTest{many: many, before: halting}.run(t) })
	t.Run("while others are brought", func(t *testing.T) {
		late := make(chan struct{})
		endTest{many: 100, before: halting, late: late, meanwhile: func(s *Supervisor, _ []string) {
			l := s.latest()
			l.draining = inOrder(l.exits.Swap(nil)) // as between two batches
			close(late)
			waitFor(func() bool { return l.exits.Load() != nil })
		}}.run(t)
	})
}

// waitFor polls until come returns true. No event can report it, since publishing one
// needs the lock.
func waitFor(come func() bool) {
	for limit := time.Now().Add(20 * time.Second); !come(); runtime.Gosched() {
		if time.Now().After(limit) {
			panic("timeout") // and not a failure, as the lock is held
		}
	}
}

// stacksText returns the stacks of all goroutines.
func stacksText() string {
	text, _ := allStacks()
	return string(text)
}
