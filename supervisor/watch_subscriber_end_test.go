package supervisor_test

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The ends of callbacks can be awaited. Cancel returns when no callback runs. A call that
// ends a tree returns when all subscribers have received the last events.

func TestCancelWaitsForACallUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		var running atomic.Bool
		var calls atomic.Int32
		cancel := sup.Subscribe(func(supervisor.Event) {
			calls.Add(1)
			running.Store(true)
			time.Sleep(time.Minute)
			running.Store(false)
		}, supervisor.EventReady)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: idle}, child.Spec{Name: "b", Run: idle}))
		synctest.Wait()
		require.True(t, running.Load())
		began := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				cancel()
				require.False(t, running.Load())
			})
		}
		all.Wait()
		require.Equal(t, time.Minute, time.Since(began))
		cancel()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Hour)
		require.Equal(t, int32(1), calls.Load())
	})
}

func TestCancelFromInsideACallbackDoesNotWait(t *testing.T) {
	deeply := func(f func()) {
		var down func(n int)
		down = func(n int) {
			if n > 0 {
				down(n - 1)
				return
			}
			f()
		}
		down(300)
	}
	directly := func(f func()) { f() }
	panicking := func(f func()) {
		defer func() { _ = recover() }()
		defer f()
		panic("in a callback")
	}
	for name, call := range map[string]func(func()){"directly": directly, "in a call of helpers": deeply, "deferred by a panic": panicking} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := &handler{}
				other := start(t, supervisor.Spec{Children: named("x", idle)})
				sup := start(t, supervisor.Spec{Logger: slog.New(log), Children: named("a", idle)})
				synctest.Wait()
				calls := make(chan string, 100)
				free := make(chan struct{})
				defer close(free)
				cancelStuck := sup.Subscribe(func(supervisor.Event) { <-free }, supervisor.EventReady)
				var cancelOwn func()
				cancelOwn = sup.Subscribe(func(supervisor.Event) {
					call(cancelOwn)
					call(cancelStuck)
					calls <- "subscriber"
				}, supervisor.EventReady)
				defer other.Subscribe(func(supervisor.Event) {
					call(cancelStuck)
					calls <- "subscriber of another tree"
				}, supervisor.EventReady)()
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
				synctest.Wait()
				log.set(func() {
					call(cancelStuck)
					calls <- "log handler"
				})
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
				require.NoError(t, other.RestartChild(t.Context(), "x"))
				synctest.Wait()
				log.set(nil)
				close(calls)
				got := map[string]bool{}
				for who := range calls {
					got[who] = true
				}
				require.Equal(t, map[string]bool{"subscriber": true, "subscriber of another tree": true, "log handler": true}, got)
			})
		})
	}
}

// A handler calls a function for each line.
type handler struct {
	slog.Handler
	mu sync.Mutex
	f  func()
}

func (h *handler) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.f = f
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(context.Context, slog.Record) error {
	h.mu.Lock()
	f := h.f
	h.mu.Unlock()
	if f != nil {
		f()
	}
	return nil
}

// ends are the calls that return when a tree has ended.
func treeEnds() map[string]func(t *testing.T, sup *supervisor.Supervisor) {
	soon := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		t.Cleanup(cancel)
		return ctx
	}
	return map[string]func(t *testing.T, sup *supervisor.Supervisor){
		"Serve": func(t *testing.T, sup *supervisor.Supervisor) { require.NoError(t, sup.Serve(soon(t))) },
		"Stop": func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.Start(t.Context()))
			time.Sleep(time.Minute)
			require.NoError(t, sup.Stop(t.Context()))
		},
		"Wait": func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.Start(t.Context()))
			time.AfterFunc(time.Minute, func() { go func() { _ = sup.Stop(context.Background()) }() })
			require.NoError(t, sup.Wait())
		},
		"Wait after the end": func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.Start(t.Context()))
			time.AfterFunc(time.Minute, func() { go func() { _ = sup.Stop(context.Background()) }() })
			<-sup.Done()
			require.NoError(t, sup.Wait())
		},
		"Stop after the end": func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.Start(t.Context()))
			time.AfterFunc(time.Minute, func() { go func() { _ = sup.Stop(context.Background()) }() })
			<-sup.Done()
			require.NoError(t, sup.Stop(t.Context()))
		},
		"Run outside of a tree": func(t *testing.T, sup *supervisor.Supervisor) {
			require.NoError(t, sup.Run(child.FromContext(soon(t))))
		},
	}
}

func TestWhatEndsATreeReturnsWhenItsSubscribersHaveReceivedAll(t *testing.T) {
	for name, end := range treeEnds() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				deep := supervisor.New(supervisor.Spec{Children: named("x y", idle)})
				inner := supervisor.New(supervisor.Spec{Children: append(named("z", idle), child.Spec{Name: "deep", Run: deep.Run})})
				sup := newRoot(supervisor.Spec{Children: append(named("a", idle), child.Spec{Name: "in", Run: inner.Run})})
				var received [3]atomic.Int32
				for i, s := range []*supervisor.Supervisor{sup, inner, deep} {
					defer s.Subscribe(func(supervisor.Event) {
						time.Sleep(10 * time.Millisecond)
						received[i].Add(1)
					}, supervisor.EventStopped)()
				}
				end(t, sup)
				require.Equal(t, [3]int32{6, 4, 2}, [3]int32{received[0].Load(), received[1].Load(), received[2].Load()})
			})
		})
	}
}

func TestSubscribersThatBlockCostTheEndOfATreeOneSecond(t *testing.T) {
	for name, end := range treeEnds() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				free := make(chan struct{})
				defer close(free)
				inner := supervisor.New(supervisor.Spec{Children: named("x", idle)})
				sup := supervisor.New(supervisor.Spec{Logger: slog.New(&handler{f: func() { <-free }}), Children: append(named("a", idle), child.Spec{Name: "in", Run: inner.Run})})
				for range 5 {
					sup.Subscribe(func(supervisor.Event) { <-free })
					inner.Subscribe(func(supervisor.Event) { <-free })
				}
				began := time.Now()
				end(t, sup)
				require.Equal(t, time.Minute+time.Second, time.Since(began))
			})
		})
	}
}

func TestSubscriberThatEndsItsTreeDoesNotWaitForItself(t *testing.T) {
	for name, call := range map[string]func(sup *supervisor.Supervisor) error{
		"Stop":            func(sup *supervisor.Supervisor) error { return sup.Stop(context.Background()) },
		"Wait":            func(sup *supervisor.Supervisor) error { return sup.Wait() },
		"Stop, then Wait": func(sup *supervisor.Supervisor) error { _ = sup.Stop(context.Background()); return sup.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				inner := supervisor.New(supervisor.Spec{Children: named("x", idle)})
				sup := newRoot(supervisor.Spec{Children: append(named("a", idle), child.Spec{Name: "in", Run: inner.Run})})
				began, took := time.Now(), make(chan time.Duration, 1)
				defer sup.Subscribe(func(e supervisor.Event) {
					if e.Kind == supervisor.EventReady && e.Path == "/root/in" {
						require.NoError(t, call(sup))
						took <- time.Since(began)
					}
				})()
				require.NoError(t, sup.Start(t.Context()))
				synctest.Wait()
				require.NoError(t, sup.Stop(t.Context()))
				require.Zero(t, <-took)
				require.Zero(t, time.Since(began), "nor does anybody else wait for long")
			})
		})
	}
}

func TestWatchIsNotWaitedFor(t *testing.T) {
	for name, end := range treeEnds() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				inner := supervisor.New(supervisor.Spec{Children: named("x", idle)})
				sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}}})
				events := sup.Watch(t.Context(), "", supervisor.EventStopped)
				below := inner.Watch(t.Context(), "", supervisor.EventStopped)
				began := time.Now()
				end(t, sup)
				require.Equal(t, time.Minute, time.Since(began))
				require.Equal(t, "/root/in/x", (<-events).Path, "it is there all the same")
				require.Equal(t, "/root/in", (<-events).Path)
				require.Equal(t, "/root/in/x", (<-below).Path)
			})
		})
	}
}

// Supervisors that ended before the tree did are waited for with it, side by side.
func TestSupervisorsThatEndWithEventsToDeliverAreWaitedForTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Strategy: strategy.Independent})
		require.NoError(t, sup.Start(t.Context()))
		var received atomic.Int32
		for _, spec := range named("a b c d e", nil) {
			inner := supervisor.New(supervisor.Spec{Children: named("x", idle)})
			inner.Subscribe(func(supervisor.Event) { time.Sleep(500 * time.Millisecond); received.Add(1) }, supervisor.EventStopped)
			spec.Run = inner.Run
			require.NoError(t, sup.StartChild(t.Context(), spec))
		}
		began := time.Now()
		require.NoError(t, sup.RemoveChild(t.Context(), "a", "b"))
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, 500*time.Millisecond, time.Since(began))
		require.Equal(t, int32(5), received.Load())
	})
}
