package supervisor_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestSubscribersSeeTheWholeSubtreeInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: p.Run, Backoff: child.Constant(time.Second)},
		}})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "in", Run: inner.Run}, {Name: "z", Run: idle},
		}})
		// All before the start.
		atRoot, atRootToo, atInner, failures := record(t, root), record(t, root), record(t, inner),
			record(t, root, supervisor.EventFailed, supervisor.EventRestarting)
		require.NoError(t, root.Start(t.Context()))
		p.end(errBoom)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, root.Stop(t.Context()))

		require.Equal(t, []string{
			"starting a", "ready a", "starting in", "starting in/x", "ready in/x", "ready in", "starting z", "ready z",
			"failed in/x", "restarting in/x", "starting in/x", "ready in/x",
			"stopping z", "stopped z", "stopping in", "stopping in/x", "stopped in/x", "stopped in", "stopping a", "stopped a",
		}, atRoot.lines())
		require.Len(t, atRootToo.take(), 20)
		require.Equal(t, []string{
			"starting in/x", "ready in/x", "failed in/x", "restarting in/x", "starting in/x", "ready in/x", "stopping in/x", "stopped in/x",
		}, atInner.lines(), "only what is below it")
		require.Equal(t, []string{"failed in/x", "restarting in/x"}, failures.lines())
	})
}

func TestEventsCarryWhatHappened(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		p := newPuppet()
		sup := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: child.Constant(time.Second).Retries(1)},
		}})
		r := record(t, sup, everyKind()...)
		require.NoError(t, sup.Start(t.Context()))
		time.Sleep(time.Second)
		p.end(errBoom)
		time.Sleep(time.Second)
		synctest.Wait()
		p.endBy(func() error { panic("ouch") })
		events := r.take()
		var kinds []supervisor.EventKind
		for i, e := range events {
			require.EqualValues(t, i+1, e.Seq)
			require.Zero(t, e.Lost)
			kinds = append(kinds, e.Kind)
		}
		require.Equal(t, []supervisor.EventKind{
			supervisor.EventStarting, supervisor.EventReady, supervisor.EventUp,
			supervisor.EventFailed, supervisor.EventRestarting, supervisor.EventStarting, supervisor.EventReady,
			supervisor.EventFailed, supervisor.EventGaveUp, supervisor.EventClosing, supervisor.EventOver,
		}, kinds)

		failed, again, panicked, gaveUp := events[3], events[4], events[7], events[8]
		require.Equal(t, supervisor.Event{Seq: 4, Time: began.Add(time.Second), Kind: supervisor.EventFailed, Path: "/shop/a", Run: 1, Err: errBoom, Reason: supervisor.ReasonFailed}, shown(failed))
		require.Equal(t, supervisor.Event{Seq: 5, Time: began.Add(time.Second), Kind: supervisor.EventRestarting, Path: "/shop/a", Run: 1, Err: errBoom, Delay: time.Second,
			Reason: supervisor.ReasonFailed, Because: 4}, shown(again))
		require.Equal(t, 1, panicked.Restarts)
		var p2 *child.PanicError
		require.ErrorAs(t, panicked.Err, &p2)
		require.Contains(t, string(panicked.Stack), "TestEventsCarryWhatHappened")
		require.Equal(t, "/shop", gaveUp.Path)
		var gave *supervisor.GaveUpError
		require.ErrorAs(t, gaveUp.Err, &gave)
		require.Equal(t, "/shop/a", gave.Child)
	})
}

// shown is an event with its exported fields alone.
func shown(e supervisor.Event) supervisor.Event {
	return supervisor.Event{Seq: e.Seq, Time: e.Time, Kind: e.Kind, Path: e.Path, Restarts: e.Restarts,
		Err: e.Err, Delay: e.Delay, Stack: e.Stack, Lost: e.Lost, Run: e.Run, Text: e.Text,
		Reason: e.Reason, By: e.By, Because: e.Because}
}

func TestEveryKindOfEventIsPublished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		seen := map[supervisor.EventKind]supervisor.Event{}
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		gives, fails := newPuppet(), newPuppet()
		doomed := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "x", Run: gives.Run}}})
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Drain: time.Second, Intensity: strategy.Unlimited(), Children: []child.Spec{
			{Name: "slow", Run: func(ctx child.Context) error {
				child.Sleep(ctx, 15*time.Second)
				return idle(ctx)
			}},
			{Name: "fails", Run: fails.Run},
			{Name: "doomed", Run: doomed.Run},
			{Name: "task", Run: child.Task(noWork)},
			{Name: "talks", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.OnError(errBoom)
				ctx.Unready(errBoom)
				ctx.Status("away")
				<-ctx.Done()
				return errBoom
			}},
			{Name: "hangs", Run: idle, Heartbeat: time.Second},
			{Name: "stuck", Run: deaf.Run, StopTimeout: time.Second},
		}})
		r := record(t, sup, everyKind()...)
		require.NoError(t, sup.Start(t.Context()))
		synctest.Wait() // it has said all
		byAlice := supervisor.WithRequest(t.Context(), supervisor.Request{By: "alice"})
		sup.Suspend(byAlice)
		sup.Resume(byAlice)
		require.Equal(t, []string{"/root/talks: boom"}, unclean(t, sup.RemoveChild(byAlice, "talks")))
		time.Sleep(1500 * time.Millisecond)
		require.Error(t, sup.StopChild(t.Context(), "stuck"))
		deaf.Release()
		fails.end(errBoom)
		gives.end(errBoom)
		require.NoError(t, sup.Stop(t.Context()))
		for _, e := range r.take() {
			if _, had := seen[e.Kind]; !had {
				seen[e.Kind] = e
			}
		}
		paths := map[string]string{}
		for kind, e := range seen {
			paths[kind.String()] = e.Path
		}
		require.Equal(t, map[string]string{
			"starting": "/root/slow", "ready": "/root/slow", "slow-start": "/root/slow", "completed": "/root/task",
			"error": "/root/talks", "unready": "/root/talks", "stopping": "/root/talks", "stopped": "/root/talks", "removed": "/root/talks",
			"hung": "/root/hangs", "failed": "/root/hangs", "restarting": "/root/hangs",
			"abandoned": "/root/stuck", "late-exit": "/root/stuck", "gave-up": "/root/doomed",
			"status": "/root/talks", "request": "/root/talks", "suspended": "/root", "resumed": "/root",
			"up": "/root/doomed", "draining": "/root", "closing": "/root/doomed", "over": "/root/doomed",
		}, paths)
		require.ErrorIs(t, seen[supervisor.EventStopping].Err, child.ErrRemoved, "why it was stopped")
		require.Equal(t, errBoom, seen[supervisor.EventStopped].Err, "what Run returned")
		require.Contains(t, string(seen[supervisor.EventHung].Stack), "testkit.Idle")
		require.Contains(t, string(seen[supervisor.EventAbandoned].Stack), "(*Child).stop")
	})
}

// Out of a bubble, with many supervisors at work at the same time.
func TestSeqAndTimeNeverGoBack(t *testing.T) {
	defer goleak.VerifyNone(t)
	const supers, perSuper = 4, 500
	var specs []child.Spec
	for i := range supers {
		var some []child.Spec
		for j := range 5 {
			some = append(some, child.Spec{Name: fmt.Sprint("w", j), Restart: child.Transient, Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				for range perSuper / 5 {
					ctx.OnError(errBoom)
				}
				return nil
			}})
		}
		inner := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Children: some})
		specs = append(specs, child.Spec{Name: fmt.Sprint("s", i), Run: inner.Run})
	}
	root := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Logger: quiet, Children: specs})
	var last supervisor.Event
	var wrong []string
	done := make(chan struct{})
	cancel := root.Subscribe(func(e supervisor.Event) {
		if e.Seq != last.Seq+1+e.Lost || e.Time.Before(last.Time) {
			wrong = append(wrong, fmt.Sprintf("%d after %d, %d lost, %v later", e.Seq, last.Seq, e.Lost, e.Time.Sub(last.Time)))
		}
		if last = e; e.Kind == supervisor.EventStopped && e.Path == "/root/s0" {
			close(done)
		}
	})
	defer cancel()
	require.NoError(t, root.Start(t.Context()))
	require.NoError(t, root.StopChild(t.Context(), "s1", "s2", "s3"))
	require.NoError(t, root.StopChild(t.Context(), "s0"))
	<-done
	require.Empty(t, wrong)
	require.NoError(t, root.Stop(t.Context()))
}

func TestEventLogValueHasTheFieldsThatAreSet(t *testing.T) {
	value := func(e supervisor.Event) string {
		var text strings.Builder
		slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{}
			}
			return a
		}})).Info("", "e", e)
		return strings.TrimSuffix(text.String(), "\n")
	}
	require.Equal(t, `e.event=ready e.path=/shop/a`, value(supervisor.Event{Seq: 7, Time: time.Now(), Kind: supervisor.EventReady, Path: "/shop/a"}))
	require.Equal(t, `e.event=restarting e.path=/shop/a e.restarts=2 e.err="bro; ken" e.delay=1.5s e.lost=3 e.stack=here`, value(supervisor.Event{
		Kind: supervisor.EventRestarting, Path: "/shop/a", Restarts: 2, Err: errors.New("bro\nken"),
		Delay: 1500 * time.Millisecond, Lost: 3, Stack: []byte("here"),
	}))
	var none *slip
	require.Equal(t, `e.event=error e.path=/a e.err=<nil>`, value(supervisor.Event{Kind: supervisor.EventError, Path: "/a", Err: none}))
}

func TestEventKindsAreTextInJSON(t *testing.T) {
	names := map[string]bool{}
	for kind := supervisor.EventStarting; kind <= supervisor.EventOver; kind++ {
		text, err := json.Marshal(kind)
		require.NoError(t, err)
		require.Equal(t, `"`+kind.String()+`"`, string(text))
		require.NotContains(t, kind.String(), "(")
		names[kind.String()] = true
		var back supervisor.EventKind
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, kind, back)
	}
	require.Len(t, names, int(supervisor.EventOver))
	require.Equal(t, "late-exit", supervisor.EventLateExit.String())

	for _, unknown := range []supervisor.EventKind{0, supervisor.EventOver + 1, 200} {
		require.Equal(t, fmt.Sprintf("event(%d)", uint8(unknown)), unknown.String())
		_, err := unknown.MarshalText()
		require.EqualError(t, err, fmt.Sprintf("supervisor: no such event kind: %d", uint8(unknown)))
	}
	for _, name := range []string{"", "Ready", "event(1)"} {
		kind := supervisor.EventHung
		require.ErrorContains(t, kind.UnmarshalText([]byte(name)), "no such event kind")
		require.Equal(t, supervisor.EventHung, kind, "left as it was")
	}
}
