package supervisor_test

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A batch is one call of a subscriber.
type batch struct {
	after time.Duration // since the first call of batching
	kinds string        // of its events
	seqs  []uint64
}

// batching subscribes in batches and records them.
type batching struct {
	flush  func(context.Context) error
	cancel func()

	mu      sync.Mutex
	batches []batch
}

func batchesOf(t *testing.T, sup *supervisor.Supervisor, delay time.Duration, only ...supervisor.EventKind) *batching {
	r, began := &batching{}, time.Now()
	r.flush, r.cancel = sup.SubscribeBatches(delay, func(events []supervisor.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		b := batch{after: time.Since(began)}
		for _, e := range events {
			b.kinds += e.Kind.String() + " "
			b.seqs = append(b.seqs, e.Seq)
		}
		b.kinds = strings.TrimSpace(b.kinds)
		r.batches = append(r.batches, b)
	}, only...)
	t.Cleanup(r.cancel)
	return r
}

func (r *batching) take() []batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.batches
	r.batches = nil
	return all
}

// took checks how long a call takes.
func took(t *testing.T, want time.Duration, f func()) {
	t.Helper()
	began := time.Now()
	f()
	require.Equal(t, want, time.Since(began))
}

func TestABatchHasAllEventsSinceTheFirstOneBeganToWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: named("a", idle)})
		all := batchesOf(t, sup, time.Second)
		ready := batchesOf(t, sup, time.Minute, supervisor.EventReady)
		time.Sleep(time.Hour)
		require.NoError(t, sup.Start(t.Context()))
		time.Sleep(999 * time.Millisecond)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		synctest.Wait()
		require.Empty(t, all.take())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Equal(t, []batch{{time.Hour + time.Second, "starting ready up stopping stopped starting ready", []uint64{1, 2, 3, 4, 5, 6, 7}}}, all.take())
		time.Sleep(time.Hour)
		require.Empty(t, all.take(), "the slice is never empty")
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []batch{{2*time.Hour + 2*time.Second, "stopping stopped starting ready", []uint64{8, 9, 10, 11}}}, all.take())
		time.Sleep(time.Minute)
		require.Equal(t, []batch{
			{time.Hour + time.Minute, "ready ready", []uint64{2, 7}},
			{2*time.Hour + time.Second + time.Minute, "ready", []uint64{11}},
		}, ready.take())
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestABatchWithoutDelayComesAsSoonAsTheSubscriberIsFree(t *testing.T) {
	for _, delay := range []time.Duration{0, -time.Hour} {
		bubble(t, func(t *testing.T) {
			sup := start(t, supervisor.Spec{Children: named("a", idle)})
			synctest.Wait()
			free := make(chan struct{})
			var sizes []int
			_, cancel := sup.SubscribeBatches(delay, func(events []supervisor.Event) {
				sizes = append(sizes, len(events))
				<-free
			}, supervisor.EventReady)
			defer cancel()
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
			synctest.Wait()
			for range 3 {
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
			}
			close(free)
			synctest.Wait()
			require.Equal(t, []int{1, 3}, sizes)
		})
	}
}

// A thousand of each sort may wait.
func TestABatchComesWhenHalfOfTheQueueIsFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		run := make(chan child.Context, 1)
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			run <- ctx
			return idle(ctx)
		}}}})
		synctest.Wait()
		loud := <-run
		r := batchesOf(t, sup, time.Hour, supervisor.EventError, supervisor.EventRequest)
		sizes := func() (sizes []int) {
			synctest.Wait()
			for _, b := range r.take() {
				sizes = append(sizes, len(b.seqs))
			}
			return sizes
		}
		request := func(n int) {
			for range n {
				require.NoError(t, sup.RestartChild(supervisor.WithRequest(t.Context(), supervisor.Request{By: "me"}), "a"))
				loud = <-run
			}
		}
		fail := func(n int) {
			for range n {
				loud.OnError(errBoom)
			}
		}
		request(499)
		fail(499)
		require.Empty(t, sizes())
		fail(1)
		require.Equal(t, []int{999}, sizes())
		fail(499)
		request(499)
		require.Empty(t, sizes())
		request(1)
		require.Equal(t, []int{999}, sizes())
		request(1)
		time.Sleep(time.Hour)
		require.Equal(t, []int{1}, sizes())
	})
}

func TestWhileASubscriberToBatchesBlocksNothingWaitsAndItsLossIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		free := make(chan struct{})
		var sizes []int
		var lost []uint64
		_, cancel := sup.SubscribeBatches(time.Second, func(events []supervisor.Event) {
			<-free
			sizes = append(sizes, len(events))
			for i, e := range events {
				if e.Lost > 0 {
					require.Equal(t, 500, i, "the first and the latest are kept")
					lost = append(lost, e.Lost)
				}
			}
		}, supervisor.EventReady)
		defer cancel()
		took(t, time.Second, func() {
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
			time.Sleep(time.Second)
			synctest.Wait()
			for range 1500 {
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
			}
		})
		close(free)
		synctest.Wait()
		require.Equal(t, []int{1, 1000}, sizes)
		require.Equal(t, []uint64{500}, lost)
	})
}

func TestABatchHasLoudAndQuietEventsInOrderAndTheLatestStatus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			ctx.Status("one")
			ctx.OnError(errBoom)
			ctx.Status("two")
			return noisy(1)(ctx)
		}}}})
		var texts []string
		_, cancel := sup.SubscribeBatches(time.Second, func(events []supervisor.Event) {
			for _, e := range events {
				texts = append(texts, e.Kind.String()+e.Text)
			}
		})
		defer cancel()
		require.NoError(t, sup.Start(t.Context()))
		time.Sleep(time.Minute)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		once := []string{"starting", "statustwo", "error", "ready", "error"}
		require.Equal(t, 13, len(texts), texts)
		require.Subset(t, texts, append(once, "up"))
		require.Equal(t, once[:3], texts[:3], "the text of the second batch is queued again")
		require.Equal(t, once[:3], texts[8:11])
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestFlushReturnsWhenAllEventsBeforeItHaveBeenReceived(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		var received []int
		flush, cancel := sup.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
			time.Sleep(time.Minute)
			received = append(received, len(events))
		}, supervisor.EventReady)
		restart := func(n int) {
			for range n {
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
			}
		}
		took(t, 0, func() { require.NoError(t, flush(t.Context())) })
		restart(2)
		took(t, time.Minute, func() { require.NoError(t, flush(nil)) })
		require.Equal(t, []int{2}, received)
		took(t, 0, func() { require.NoError(t, flush(nil)) })

		restart(1)
		var all sync.WaitGroup
		for range 3 { // while f runs
			all.Go(func() { require.NoError(t, flush(t.Context())) })
		}
		time.Sleep(time.Second)
		restart(3)
		took(t, 2*time.Minute-time.Second, func() { require.NoError(t, flush(t.Context())) })
		require.Equal(t, []int{2, 1, 3}, received)
		all.Wait()

		ctx, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		restart(1)
		took(t, time.Second, func() { require.ErrorIs(t, flush(ctx), context.DeadlineExceeded) })
		require.ErrorIs(t, flush(ctx), context.DeadlineExceeded)
		took(t, time.Minute-time.Second, func() { require.NoError(t, flush(t.Context()), "it was hurried all the same") })
		require.NoError(t, flush(ctx), "there is nothing to wait for")

		restart(1)
		all.Go(func() {
			took(t, time.Second, func() { require.NoError(t, flush(t.Context()), "cancelled meanwhile") })
		})
		time.Sleep(time.Second)
		restart(1)
		all.Go(func() {
			took(t, 0, func() { require.NoError(t, flush(t.Context()), "cancelled meanwhile") })
		})
		synctest.Wait()
		took(t, time.Minute-time.Second, cancel)
		all.Wait()
		require.Equal(t, []int{2, 1, 3, 1, 1}, received)
		took(t, 0, func() { require.NoError(t, flush(t.Context())) })
	})
}

func TestFlushFromInsideACallbackDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		received := 0
		var flush func(context.Context) error
		flush, cancel := sup.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
			received += len(events)
			if received == 1 {
				require.NoError(t, sup.RestartChild(context.Background(), "a"))
				require.NoError(t, flush(context.Background()))
				require.Equal(t, 1, received)
			}
		}, supervisor.EventReady)
		defer cancel()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		took(t, 0, func() { require.NoError(t, flush(t.Context())); synctest.Wait() })
		require.Equal(t, 2, received, "but it hurries")
		defer sup.Subscribe(func(supervisor.Event) { require.NoError(t, flush(context.Background())) }, supervisor.EventStopped)()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		took(t, 0, func() { require.NoError(t, flush(t.Context())) })
	})
}

// An asking context asks something of the tree when it is asked for its error.
type askingContext struct {
	context.Context
	ask func()
}

func (c askingContext) Err() error {
	c.ask()
	return c.Context.Err()
}

func TestFlushCallsTheContextWithoutALock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		flush, cancel := sup.SubscribeBatches(time.Hour, func([]supervisor.Event) { time.Sleep(time.Minute) }, supervisor.EventReady)
		defer cancel()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		asked := 0
		ended, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		ctx := askingContext{ended, func() {
			asked++
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
		}}
		require.ErrorIs(t, flush(ctx), context.DeadlineExceeded)
		require.NotZero(t, asked)
	})
}

func TestCancelOfBatchesDropsWhatIsQueuedAndWaitsForACallUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		var calls atomic.Int32
		var running atomic.Bool
		f := func([]supervisor.Event) {
			calls.Add(1)
			running.Store(true)
			time.Sleep(time.Minute)
			running.Store(false)
		}
		_, cancel := sup.SubscribeBatches(time.Second, f)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		took(t, 0, cancel)
		time.Sleep(time.Hour)
		require.Zero(t, calls.Load(), "the batch had waited")
		_, cancel = sup.SubscribeBatches(time.Second, f)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(2 * time.Second)
		require.True(t, running.Load())
		took(t, time.Minute-time.Second, cancel)
		require.False(t, running.Load())
		took(t, 0, cancel)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, calls.Load())

		var within func()
		_, within = sup.SubscribeBatches(time.Second, func([]supervisor.Event) { calls.Add(1); within() })
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Hour)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Hour)
		require.EqualValues(t, 2, calls.Load())
	})
}

func TestWhatEndsATreeReturnsWhenItsBatchesHaveBeenReceived(t *testing.T) {
	for name, end := range treeEnds() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				inner := supervisor.New(supervisor.Spec{Children: named("z", idle)})
				sup := newRoot(supervisor.Spec{Children: append(named("a", idle), child.Spec{Name: "in", Run: inner.Run})})
				var received [20]atomic.Int32
				for i := range received {
					s := []*supervisor.Supervisor{sup, inner}[i%2]
					_, cancel := s.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
						time.Sleep(900 * time.Millisecond) // each of them: they do not wait for each other
						received[i].Add(int32(len(events)))
					}, supervisor.EventStopped)
					defer cancel()
				}
				end(t, sup)
				for i := range received {
					require.EqualValues(t, []int32{3, 1}[i%2], received[i].Load())
				}
			})
		})
	}
}

func TestASubscriberToBatchesThatBlocksCostsTheEndOfATreeOneSecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: named("a", idle)})
		free := make(chan struct{})
		defer close(free)
		sup.SubscribeBatches(time.Hour, func([]supervisor.Event) { <-free })
		require.NoError(t, sup.Start(t.Context()))
		took(t, time.Second, func() { require.NoError(t, sup.Stop(t.Context())) })
	})
}

func TestASubscriberToBatchesThatPanicsOrCallsGoexitContinues(t *testing.T) {
	text := new(safe)
	defaultLog(t, slog.NewTextHandler(text, nil))
	for name, broken := range map[string]func(){"panic": func() { panic("subscriber is broken") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := newRoot(supervisor.Spec{Children: named("a", idle)})
				received := 0
				flush, cancel := sup.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
					received += len(events)
					broken()
				})
				defer cancel()
				require.NoError(t, sup.Start(t.Context()))
				require.NoError(t, flush(t.Context()))
				require.Equal(t, 3, received)
				require.NoError(t, sup.Stop(t.Context()))
				require.Equal(t, 7, received)
			})
		})
	}
	require.Contains(t, text.String(), `err="panic: subscriber is broken"`)
	require.Contains(t, text.String(), "events=4")
}

// An exiting error ends the goroutine that asks it for what it wraps.
type exiting struct{}

func (exiting) Error() string { return "exiting" }
func (exiting) Unwrap() error { runtime.Goexit(); return nil }

func TestAnErrorThatCallsGoexitLosesNoEventOfItsBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		synctest.Wait()
		failed := batchesOf(t, sup, time.Second, supervisor.EventFailed)
		for _, name := range []string{"a", "b"} {
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: name, Restart: child.Temporary, Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				return exiting{}
			}}))
		}
		time.Sleep(time.Minute)
		got := failed.take()
		require.Len(t, got, 1)
		require.Equal(t, "failed failed", got[0].kinds)
	})
}

func TestABatchHasTheStacksOfPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		var stacks []string
		flush, cancel := sup.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
			for _, e := range events {
				stacks = append(stacks, string(e.Stack))
			}
		}, supervisor.EventFailed)
		defer cancel()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "p", Restart: child.Temporary, Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			panic("here")
		}}))
		synctest.Wait()
		require.NoError(t, flush(t.Context()))
		require.Len(t, stacks, 1)
		require.Contains(t, stacks[0], "TestABatchHasTheStacksOfPanics")
	})
}

func TestBatchesWithoutASubscriberAreNone(t *testing.T) {
	flush, cancel := supervisor.New(supervisor.Spec{}).SubscribeBatches(time.Second, nil)
	require.NoError(t, flush(nil))
	cancel()
	require.NoError(t, flush(nil))
}

// Out of a bubble, with the race detector: everything at once. Each event arrives, once.
func TestBatchesUnderLoadAreComplete(t *testing.T) {
	defer goleak.VerifyNone(t)
	p := newPuppet()
	sup := supervisor.New(supervisor.Spec{Logger: quiet, Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "a", Run: p.Run, Backoff: child.Constant(0)}}})
	var seen, next uint64
	flush, cancel := sup.SubscribeBatches(50*time.Microsecond, func(events []supervisor.Event) {
		for _, e := range events {
			if e.Seq != next+1+e.Lost {
				panic("out of order")
			}
			next = e.Seq
			seen += 1 + e.Lost
		}
	})
	require.NoError(t, sup.Start(t.Context()))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				_ = flush(t.Context())
				_, cancel := sup.SubscribeBatches(time.Microsecond, func([]supervisor.Event) {})
				flush, cancelOther := sup.SubscribeBatches(50*time.Millisecond, func([]supervisor.Event) {})
				_ = sup.RestartChild(t.Context(), "a")
				_ = flush(t.Context())
				cancelOther()
				cancel()
			}
		})
	}
	all.Wait()
	require.NoError(t, sup.Stop(t.Context()))
	require.NoError(t, flush(t.Context()))
	require.Equal(t, next, seen)
	require.Greater(t, seen, uint64(50*4), "concurrent requests may share a restart")
	cancel()
	require.NoError(t, sup.Start(t.Context()))
	require.NoError(t, sup.Stop(t.Context()))
	require.Equal(t, next, seen, "not after the cancel")
}
