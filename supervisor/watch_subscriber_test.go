package supervisor_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// defaultLog makes a handler slog's default for one test.
func defaultLog(t *testing.T, h slog.Handler) {
	before := slog.Default()
	slog.SetDefault(slog.New(h))
	t.Cleanup(func() { slog.SetDefault(before) })
}

// safe is a buffer that several goroutines may use.
type safe struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// noisy is a child that reports n errors and counts its runs.
func noisy(n int) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		for range n {
			ctx.OnError(errBoom)
		}
		<-ctx.Done()
		return nil
	}
}

func TestASubscriberThatBlocksDelaysNothingAndItsLossIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}})
		release := make(chan struct{})
		var got []supervisor.Event
		cancel := sup.Subscribe(func(e supervisor.Event) {
			<-release
			got = append(got, e)
		}, supervisor.EventStarting, supervisor.EventFailed)
		defer cancel()
		all := record(t, sup, everyKind()...)
		began := time.Now()
		require.NoError(t, sup.Start(t.Context()))
		synctest.Wait() // it has taken the first
		p := newPuppet()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "crash", Run: p.Run, Backoff: child.Constant(0)}))
		p.end(errBoom)
		for range 1500 {
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
		}
		require.Equal(t, began, time.Now(), "no call waited")
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, time.Second, time.Since(began), "the end waits for it, and not for ever")
		others := all.take()
		seen := uint64(len(others))
		for _, e := range others {
			seen += e.Lost // that one may be slow too
		}
		require.Equal(t, others[len(others)-1].Seq, seen, "other subscribers are not held up")
		require.Equal(t, supervisor.EventOver, others[len(others)-1].Kind)

		close(release)
		synctest.Wait()
		// The one that it was busy with, then a thousand starts and the failure.
		require.Len(t, got, 1+1000+1)
		failures, lost := 0, uint64(0)
		for i, e := range got {
			lost += e.Lost
			if e.Kind == supervisor.EventFailed {
				failures++
				require.Equal(t, 2, i, "in its place: before the starts that followed")
			}
			if i > 0 {
				require.Greater(t, e.Seq, got[i-1].Seq)
			}
		}
		require.Equal(t, 1, failures, "failures are not pushed out by starts")
		require.EqualValues(t, 1503-1001, lost, "1503 starts, of which it got 1001")
		require.EqualValues(t, lost, got[1+500+1].Lost, "reported where they are missing: the first ones are kept")
	})
}

func TestASubscribersQueueKeepsItsOrderOverARestartOfTheTree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: p.Run}}})
		release := make(chan struct{})
		var got []string
		defer sup.Subscribe(func(e supervisor.Event) {
			<-release
			got = append(got, e.Kind.String())
		})()
		require.NoError(t, sup.Start(t.Context()))
		for range 5 {
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
		}
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Start(t.Context()))
		p.end(errBoom)
		require.NoError(t, sup.Stop(t.Context()))
		close(release)
		synctest.Wait()
		require.Equal(t, []string{"starting", "ready", "up", "failed", "restarting", "starting", "ready", "closing", "stopping", "stopped", "over"}, got[len(got)-11:])
	})
}

// keepsReceiving checks that a subscriber gets every event, although each call of it ends
// with broken.
func keepsReceiving(t *testing.T, broken func()) {
	sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}})
	calls := 0
	defer sup.Subscribe(func(supervisor.Event) {
		calls++
		broken()
	})()
	require.NoError(t, sup.Start(t.Context()))
	require.NoError(t, sup.Stop(t.Context()))
	synctest.Wait()
	require.Equal(t, 7, calls)
}

func TestASubscriberThatPanicsIsReportedInTheDefaultLogAndContinues(t *testing.T) {
	text := new(safe)
	defaultLog(t, slog.NewTextHandler(text, nil))
	bubble(t, func(t *testing.T) {
		keepsReceiving(t, func() { panic("subscriber is broken") })
		require.Contains(t, text.String(), "panic: subscriber is broken")
		require.Contains(t, text.String(), "path=/root/a")
	})
}

// panicky is a log handler whose every method panics.
type panicky struct{}

func (panicky) Enabled(context.Context, slog.Level) bool  { panic("enabled") }
func (panicky) Handle(context.Context, slog.Record) error { panic("handle") }
func (p panicky) WithAttrs([]slog.Attr) slog.Handler      { return p }
func (p panicky) WithGroup(string) slog.Handler           { return p }

func TestASubscriberThatPanicsWhileTheDefaultLogPanicsTooEndsNothing(t *testing.T) {
	defaultLog(t, panicky{})
	bubble(t, func(t *testing.T) { keepsReceiving(t, func() { panic("subscriber is broken") }) })
}

func TestASubscriberThatCallsGoexitContinues(t *testing.T) {
	bubble(t, func(t *testing.T) { keepsReceiving(t, runtime.Goexit) })
}

func TestASubscriberMayCallAnything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}})
		var inner []string
		var once sync.Once
		defer sup.Subscribe(func(e supervisor.Event) {
			once.Do(func() {
				sup.Subscribe(func(e supervisor.Event) { inner = append(inner, e.Kind.String()+" "+e.Path) }, supervisor.EventReady)
				_ = sup.Tree().String()
				_ = sup.Health()
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
				require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: idle}))
				require.NoError(t, sup.RemoveChild(t.Context(), "a"))
				require.NoError(t, sup.Stop(t.Context()))
				require.NoError(t, sup.Wait())
			})
		}, supervisor.EventReady)()
		require.NoError(t, sup.Start(t.Context()))
		require.NoError(t, sup.Wait())
		synctest.Wait()
		require.Equal(t, []string{"ready /root/a", "ready /root/b"}, inner)
	})
}

func TestCancelEndsASubscription(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}})
		var before, within, after atomic.Int64
		cancelBefore := sup.Subscribe(func(supervisor.Event) { before.Add(1) })
		cancelBefore()
		cancelBefore()
		var cancelWithin func()
		cancelWithin = sup.Subscribe(func(supervisor.Event) {
			within.Add(1)
			cancelWithin()
			cancelWithin()
		})
		cancelAfter := sup.Subscribe(func(supervisor.Event) { after.Add(1) })
		require.NoError(t, sup.Start(t.Context()))
		synctest.Wait()
		cancelAfter()
		require.NoError(t, sup.Stop(t.Context()))
		synctest.Wait()
		require.EqualValues(t, 0, before.Load())
		require.EqualValues(t, 1, within.Load(), "the others that waited are dropped")
		require.EqualValues(t, 3, after.Load())
		sup.Subscribe(nil)()
	})
}

func TestASubscriptionHoldsOverAllStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}})
		r := record(t, sup)
		for range 3 {
			require.NoError(t, sup.Start(t.Context()))
			require.NoError(t, sup.Stop(t.Context()))
			require.Equal(t, []string{"starting a", "ready a", "stopping a", "stopped a"}, r.lines())
		}
	})
}

func TestASubscriptionBelowIsKeptWhenTheNestedSupervisorRestarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		r := record(t, inner, supervisor.EventReady)
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		require.NoError(t, root.RestartChild(t.Context(), "in"))
		require.Equal(t, []string{"ready in/x", "ready in/x"}, r.lines())
	})
}

// Out of a bubble, with the race detector: subscribing while events go out.
func TestSubscribeAndCancelFromManyGoroutines(t *testing.T) {
	defer goleak.VerifyNone(t)
	sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: noisy(2000)}}})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				cancel := sup.Subscribe(func(supervisor.Event) {})
				sup.Subscribe(func(supervisor.Event) {}, supervisor.EventError)()
				cancel()
			}
		})
	}
	require.NoError(t, sup.Start(t.Context()))
	all.Wait()
	require.NoError(t, sup.Stop(t.Context()))
	got := make(chan supervisor.Event)
	defer sup.Subscribe(func(e supervisor.Event) { got <- e })()
	require.NoError(t, sup.Start(t.Context()))
	require.Equal(t, "starting", fmt.Sprint((<-got).Kind), "the list of subscribers is whole")
	require.NoError(t, sup.Stop(t.Context()))
	for (<-got).Kind != supervisor.EventOver {
	}
}
