package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// A readyTest starts many children of a Graph, which become ready while the lock is held.
type readyTest struct {
	many      int
	before    func(r *run)                  // what each does before Ready; nil: they are posted
	then      func(ctx child.Context) error // what each does after Ready; nil: wait for its stop
	meanwhile func(l *life)                 // what is done, with the lock, when most are posted
}

// kindsOf has the events of each path so far.
type kindsOf struct {
	sync.Mutex
	path    map[string][]EventKind
	refused atomic.Int32 // how often Ready returned an error
}

// has reports whether many children have at least n events.
func (k *kindsOf) has(n, many int) bool {
	k.Lock()
	defer k.Unlock()
	for _, kinds := range k.path {
		if len(kinds) >= n {
			many--
		}
	}
	return many <= 0
}

// run returns the supervisor, which has started or given up, and its events.
func (r readyTest) run(t *testing.T) (*Supervisor, *kindsOf) {
	begun, mayBeReady := new(sync.WaitGroup), make(chan struct{})
	begun.Add(r.many)
	events := &kindsOf{path: make(map[string][]EventKind)}
	spec := Spec{Strategy: strategy.Graph, Intensity: strategy.Unlimited(), Logger: slog.New(slog.DiscardHandler), Children: make([]child.Spec, r.many)}
	for i := range spec.Children {
		spec.Children[i] = child.Spec{Name: fmt.Sprint("c", i), Restart: child.Transient, Run: func(ctx child.Context) error {
			if ctx.Restarts() == 0 {
				begun.Done()
			}
			<-mayBeReady
			if r.before != nil {
				r.before(ctx.(*run))
			}
			err := ctx.Ready()
			if err != nil {
				events.refused.Add(1)
			}
			if err != nil || r.then == nil {
				<-ctx.Done()
				return err
			}
			return r.then(ctx)
		}}
	}
	s := New(spec)
	t.Cleanup(s.Subscribe(func(e Event) {
		events.Lock()
		defer events.Unlock()
		if e.Path != s.Path() {
			events.path[e.Path] = append(events.path[e.Path], e.Kind)
		}
	}))
	started := make(chan error)
	go func() { started <- s.Start(context.Background()) }()
	begun.Wait()

	l := s.latest()
	l.lookAndLock()
	close(mayBeReady)
	if r.before == nil {
		waitFor(func() bool { return int(l.posts.Load()-l.taken.Load()) >= min(r.many, machine.BatchSize) })
	}
	if r.meanwhile != nil {
		r.meanwhile(l)
	}
	l.mu.Unlock()
	<-started
	return s, events
}

func TestCrowdBecomesReadyWithoutTheLock(t *testing.T) {
	const many = 4 * crowd
	var returned atomic.Int32
	s, _ := readyTest{
		many: many,
		then: func(ctx child.Context) error {
			returned.Add(1)
			<-ctx.Done()
			return nil
		},
		meanwhile: func(l *life) {
			waitFor(func() bool { return returned.Load() == many-1 }) // the first one waits for the lock
		},
	}.run(t)
	require.NoError(t, s.Health())
	require.NoError(t, s.Stop(context.Background()))
}

// They are handled under the lock, and others may wait for it.
func TestNotMoreThanABatchIsPosted(t *testing.T) {
	s, _ := readyTest{many: 2 * machine.BatchSize, meanwhile: func(l *life) {
		waitFor(func() bool { return countLocking() > machine.BatchSize/2 })
		require.Less(t, int(l.posts.Load()-l.taken.Load()), machine.BatchSize+64, "a few may find room at the same moment")
	}}.run(t)
	require.NoError(t, s.Health())
	require.NoError(t, s.Stop(context.Background()))
}

// countLocking returns how many goroutines wait in lock.
func countLocking() (n int) {
	all := make([]runtime.StackRecord, 4*machine.BatchSize)
	found, _ := runtime.GoroutineProfile(all)
	for _, stack := range all[:min(found, len(all))] {
		frames := runtime.CallersFrames(stack.Stack())
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); f.Function == "github.com/coppice-go/coppice/supervisor.(*life).lock" {
				n++
			}
		}
	}
	return n
}

func TestRunThatEndsAfterItHasPostedWasReady(t *testing.T) {
	failure := errors.New("failed")
	for _, c := range []struct {
		name string
		then func(ctx child.Context) error
		want EventKind
	}{
		{"normal", func(child.Context) error { return nil }, EventCompleted},
		{"panic", func(child.Context) error { panic(failure) }, EventFailed},
		{"Goexit", func(child.Context) error { runtime.Goexit(); return nil }, EventFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, events := readyTest{many: 2 * crowd, then: func(ctx child.Context) error {
				if ctx.Restarts() > 0 {
					<-ctx.Done()
					return nil
				}
				return c.then(ctx)
			}}.run(t)
			waitFor(func() bool { return events.has(3, 2*crowd) })
			require.NoError(t, s.Stop(context.Background()))
			for path, kinds := range events.path {
				require.Equal(t, []EventKind{EventStarting, EventReady, c.want}, kinds[:3], path)
			}
		})
	}
}

// A run that is asked to stop between its Ready and the moment when the machine learns of it
// stops. It may return before that moment, too.
func TestRunThatIsAskedToStopAfterItHasPosted(t *testing.T) {
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprint("waits ", waits), func(t *testing.T) {
			s, events := readyTest{
				many: 2 * crowd,
				then: func(ctx child.Context) error {
					if waits {
						<-ctx.Done()
					}
					return nil
				},
				meanwhile: func(l *life) { // what close does after it has taken the lock
					end := func() { // all but the first, which waits in Ready
						waitFor(func() bool { return strings.Count(stacksText(), "(*run).exited(") == 2*crowd-1 })
					}
					if !waits {
						end()
					}
					now := l.entered()
					l.closing = child.ErrStopped
					l.m.Close(now)
					var after step
					l.perform(&after)
					go l.runTasks(&after)
					if waits {
						end()
					}
				},
			}.run(t)
			require.NoError(t, s.Stop(context.Background()))
			require.Equal(t, 1, int(events.refused.Load()), "the first one was asked to stop before its Ready returned")
			require.Len(t, events.path, 2*crowd)
			for path, kinds := range events.path {
				require.NotContains(t, kinds, EventReady, path)
				require.NotContains(t, kinds, EventFailed, path)
			}
			require.Nil(t, s.latest().posted.Load())
			require.Equal(t, s.latest().posts.Load(), s.latest().taken.Load())
		})
	}
}

// A Ready of another goroutine may be overtaken by the end of its run between its first step
// and its last.
func TestReadyThatIsOvertakenByTheEndOfItsRun(t *testing.T) {
	const many = 2 * crowd
	for _, stop := range []bool{true, false} {
		t.Run(fmt.Sprint("stop ", stop), func(t *testing.T) {
			runs, mayEnd := make(chan *run, many), make(chan struct{})
			spec := Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler), Children: make([]child.Spec, many)}
			for i := range many {
				spec.Children[i] = child.Spec{Name: fmt.Sprint("c", i), Restart: child.Transient, Run: func(ctx child.Context) error {
					runs <- ctx.(*run)
					select {
					case <-ctx.Done():
					case <-mayEnd:
					}
					return nil
				}}
			}
			s := New(spec)
			started := make(chan error)
			go func() { started <- s.Start(context.Background()) }()
			var all []*run
			for range many {
				r := <-runs
				require.True(t, r.post.CompareAndSwap(mayPost, posting), "the first step")
				all = append(all, r)
			}
			l := s.latest()
			if stop {
				require.NoError(t, s.Stop(context.Background()))
			} else {
				close(mayEnd)
			}
			<-started
			for _, r := range all { // the other steps
				r.nextPosted = nil
				require.True(t, l.posted.CompareAndSwap(nil, r))
				l.visitPosted(l.posts.Add(1))
				require.Error(t, r.afterPost(), "it was never ready")
			}
			require.Nil(t, l.posted.Load())
			require.Equal(t, many, int(l.taken.Load()))
			require.NoError(t, s.Stop(context.Background()))
		})
	}
}

// From the end of its context on, a run cannot become ready.
func TestReadyIsNotPostedAfterTheEndOfTheContext(t *testing.T) {
	s, events := readyTest{many: 2 * crowd, before: func(r *run) { r.cancel(context.Canceled) }}.run(t)
	require.NoError(t, s.Stop(context.Background()))
	for path, kinds := range events.path {
		require.NotContains(t, kinds, EventReady, path)
	}
	require.Zero(t, s.latest().posts.Load())
}

func TestStartTimeoutAndPostedReady(t *testing.T) {
	runs := make(chan *run, 1)
	s := New(Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{
		Name: "a", StartTimeout: time.Hour, Run: func(ctx child.Context) error {
			runs <- ctx.(*run)
			<-ctx.Done()
			return nil
		}}}})
	started := make(chan error)
	go func() { started <- s.Start(context.Background()) }()
	r := <-runs
	l := s.latest()
	expire := func() {
		l.lock()
		set := r.set
		l.mu.Unlock()
		l.fire(r, machine.SlowTimer, set, nil) // which sets the StartTimer
		l.lock()
		set = r.set
		l.mu.Unlock()
		l.fire(r, machine.StartTimer, set, nil)
	}
	r.post.Store(posting)
	expire()
	require.Zero(t, r.why(), "Ready is about to return nil")
	r.post.Store(mayPost)                                         // as if it was not
	waitFor(func() bool { return r.why() == machine.WhyTimeout }) // the timer was set again
	require.False(t, r.postReady())
	require.ErrorIs(t, r.Ready(), child.ErrStartTimeout)
	require.ErrorIs(t, <-started, child.ErrStartTimeout)
}

// A run that became ready, and then was asked to stop before its Ready has returned.
func TestReadyThatReturnsAfterTheStopOfItsRunReturnsNil(t *testing.T) {
	runs := make(chan *run, 1)
	s := New(Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{
		Name: "a", Run: func(ctx child.Context) error {
			r := ctx.(*run)
			_ = r.postReady()
			runs <- r
			<-ctx.Done()
			return nil
		}}}})
	require.NoError(t, s.Start(t.Context()))
	r := <-runs
	require.NoError(t, s.Stop(context.Background()))
	require.NoError(t, r.afterPost())
	require.ErrorIs(t, r.Ready(), child.ErrStopped, "another call")
}

// What many posted runs lead to is done in more than one batch.
func TestPostedRunsShareABatch(t *testing.T) {
	const hubs, users = machine.BatchSize / 2, 9
	begun, mayBeReady := new(sync.WaitGroup), make(chan struct{})
	begun.Add(hubs)
	spec := Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler)}
	for i := range hubs {
		hub := child.Spec{Name: fmt.Sprint("hub", i), Run: func(ctx child.Context) error {
			begun.Done()
			<-mayBeReady
			return obedientRun(ctx)
		}}
		spec.Children = append(spec.Children, hub)
		for j := range users {
			spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprint("user", i, "-", j), Needs: []string{hub.Name}, Run: obedientRun})
		}
	}
	s := New(spec)
	started := make(chan error)
	go func() { started <- s.Start(context.Background()) }()
	begun.Wait()
	l := s.latest()
	l.lookAndLock()
	close(mayBeReady)
	waitFor(func() bool { return l.posts.Load() == hubs })
	l.takePosted()
	tasks := 0
	for l.left.noted(tasks).what != nothing {
		tasks++
	}
	l.mu.Unlock()
	require.Equal(t, machine.BatchSize+1, tasks, "a batch, and that it continues")
	require.NoError(t, <-started)
	require.NoError(t, s.Stop(context.Background()))
}

// Each child looks at itself, and tells another, which looks too.
func TestChildThatHasPostedIsReadyForAll(t *testing.T) {
	const layers, width = 5, 3 * crowd
	var early atomic.Int32
	look := func(s *Supervisor, path string) {
		if status, found := s.Lookup(path); !found || status.State != child.Running {
			early.Add(1)
		}
	}
	told := make(chan string, layers*width)
	spec := Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler)}
	for i := range layers * width {
		c := child.Spec{Name: fmt.Sprint("c", i), Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			told <- ctx.Path()
			s, _ := FromContext(ctx)
			look(s, ctx.Path())
			<-ctx.Done()
			return nil
		}}
		if i >= width {
			c.Needs = []string{fmt.Sprint("c", i-width)}
		}
		spec.Children = append(spec.Children, c)
	}
	s := New(spec)
	var others sync.WaitGroup
	others.Go(func() {
		for range layers * width {
			look(s, <-told)
		}
	})
	require.NoError(t, s.Start(t.Context()))
	others.Wait()
	require.Zero(t, early.Load())
	require.NoError(t, s.Stop(context.Background()))
}

func TestReadyOfACrowdShareAVisit(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const many = 20 * crowd
	spec := Spec{Strategy: strategy.Graph, Logger: slog.New(slog.DiscardHandler), Children: make([]child.Spec, many)}
	for i := range spec.Children {
		spec.Children[i] = child.Spec{Name: fmt.Sprint("c", i), Run: obedientRun}
	}
	s := New(spec)
	ready, visits := 0, make(map[time.Time]bool) // events of one visit have one time
	flush, cancel := s.SubscribeBatches(0, func(all []Event) {
		for _, e := range all {
			ready++
			visits[e.Time] = true
		}
	}, EventReady)
	defer cancel()
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, flush(t.Context()))
	require.Equal(t, many, ready)
	require.Less(t, len(visits), many/4)
	require.NoError(t, s.Stop(context.Background()))
}
