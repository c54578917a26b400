package supervisor_test

import (
	"context"
	"strings"
	"sync"
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
