package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// serves starts Serve with a cancellable context, and returns what ends it and its result.
func serves(t *testing.T, sup *supervisor.Supervisor) (cancel context.CancelCauseFunc, result <-chan error) {
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- sup.Serve(ctx) }()
	synctest.Wait()
	return cancel, done
}

var errTerminated = errors.New("terminated")

func TestRootDrainsBeforeItStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		below := supervisor.New(supervisor.Spec{Drain: time.Hour, Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := newRoot(supervisor.Spec{Drain: 5 * time.Second, Children: []child.Spec{
			{Name: "a", Run: p.Run}, {Name: "in", Run: below.Run},
		}})
		r := record(t, sup, everyKind()...)
		cancel, result := serves(t, sup)
		require.NoError(t, sup.Health())
		r.take()
		began := time.Now()
		cancel(errTerminated)
		synctest.Wait()
		events := r.take()
		require.Len(t, events, 1)
		require.Equal(t, "draining /root for 5s: stopped: terminated", events[0].String())
		require.Equal(t, supervisor.ReasonShutdown, events[0].Reason)

		// It is up: calls and restarts work. It is not healthy.
		require.ErrorIs(t, sup.Health(), supervisor.ErrDraining)
		require.NoError(t, below.Health(), "a part of the tree is what it was")
		require.Equal(t, child.Running, sup.Status().State)
		require.Equal(t, "draining", sup.Status().Text)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "late", Run: idle}))
		p.end(errBoom)
		require.Equal(t, 1, lookup(t, sup, "a").Restarts)
		require.ErrorIs(t, sup.StopChild(t.Context(), "a"), nil)
		require.ErrorContains(t, sup.Health(), "draining")
		require.ErrorContains(t, sup.Health(), "/root/a: not ready: stopped")

		time.Sleep(5*time.Second - 1)
		synctest.Wait()
		select {
		case <-result:
			t.Fatal("it ended too early")
		default:
		}
		require.NoError(t, <-result)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Empty(t, sup.Status().Text)
		require.ErrorIs(t, sup.Health(), supervisor.ErrNotRunning)
	})
}

func TestWhatEndsADrain(t *testing.T) {
	type scene struct {
		sup    *supervisor.Supervisor
		a      *puppet
		cancel context.CancelCauseFunc
	}
	for name, test := range map[string]struct {
		act  func(t *testing.T, s scene)
		took time.Duration
		err  bool
	}{
		"its time":             {func(*testing.T, scene) {}, 10 * time.Second, false},
		"Stop does not end it": {func(t *testing.T, s scene) { go func() { _ = s.sup.Stop(context.Background()) }() }, 10 * time.Second, false},
		"the end of the ctx of a Stop": {func(t *testing.T, s scene) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			go func() { defer cancel(); _ = s.sup.Stop(ctx) }()
		}, 3 * time.Second, false},
		"a Stop with a ctx that has ended": {func(t *testing.T, s scene) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.NoError(t, s.sup.Stop(ctx))
		}, 0, false},
		"giving up": {func(t *testing.T, s scene) { time.Sleep(time.Second); s.a.end(errBoom) }, time.Second, true},
		"the end of the significant child": {func(t *testing.T, s scene) {
			time.Sleep(time.Second)
			require.NoError(t, s.sup.StartChild(t.Context(), child.Spec{
				Name: "main", Restart: child.Temporary, Significant: true, Run: func(ctx child.Context) error { return ctx.Ready() },
			}))
		}, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newPuppet()
				sup := newRoot(supervisor.Spec{
					Drain: 10 * time.Second, Intensity: strategy.AtMost(0, time.Second), AutoShutdown: strategy.AnySignificant,
					Children: []child.Spec{{Name: "a", Run: a.Run}},
				})
				cancel, result := serves(t, sup)
				began := time.Now()
				cancel(errTerminated)
				synctest.Wait()
				require.ErrorIs(t, sup.Health(), supervisor.ErrDraining)
				test.act(t, scene{sup, a, cancel})
				err := <-result
				require.Equal(t, test.took, time.Since(began))
				require.Equal(t, test.err, err != nil, "%v", err)
				time.Sleep(time.Minute) // the timer of the drain has no effect any more
				require.NoError(t, sup.Start(t.Context()))
				require.NoError(t, sup.Health())
				ctx, end := context.WithCancel(context.Background())
				end()
				require.NoError(t, sup.Stop(ctx))
			})
		})
	}
}

// The end of the ctx of a Stop ends the drain only: the children still stop in order.
func TestStopWhoseContextEndsWhileDrainingStopsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			time.Sleep(time.Second)
			return nil
		}
		sup := newRoot(supervisor.Spec{Drain: 10 * time.Second, Children: []child.Spec{{Name: "a", Run: slow}, {Name: "b", Run: slow}}})
		require.NoError(t, sup.Start(t.Context()))
		r := record(t, sup)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		began := time.Now()
		require.NoError(t, sup.Stop(ctx))
		require.Equal(t, 4*time.Second, time.Since(began))
		require.Equal(t, []string{"stopping b", "stopped b", "stopping a", "stopped a"}, r.lines())
	})
}

func TestStopTimeoutBeginsAfterTheDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Drain: 10 * time.Second, StopTimeout: 2 * time.Second, Children: []child.Spec{{
			Name: "a", StopTimeout: child.Forever, Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				time.Sleep(1500 * time.Millisecond)
				return nil
			},
		}}})
		require.NoError(t, sup.Start(t.Context()))
		began := time.Now()
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, 11500*time.Millisecond, time.Since(began))
	})
}

// No drain while the root starts, after it gave up or shut down, and for a nested supervisor.
func TestWhenThereIsNoDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Drain: time.Hour, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			<-ctx.Done() // never ready
			return nil
		}}}})
		began := time.Now()
		cancel, result := serves(t, sup)
		cancel(nil)
		require.NoError(t, <-result)

		below := supervisor.New(supervisor.Spec{Drain: time.Hour, Children: []child.Spec{{Name: "x", Run: idle}}})
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: below.Run}}})
		require.NoError(t, root.StopChild(t.Context(), "in"))

		p := newPuppet()
		root = newRoot(supervisor.Spec{Drain: time.Hour, Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "a", Run: p.Run}}})
		_, result = serves(t, root)
		p.end(errBoom)
		require.Error(t, <-result)
		require.Zero(t, time.Since(began))
	})
}

// A child may request the stop of its own tree. The drain then goes on without a caller.
func TestAChildThatStopsItsTreeDoesNotWaitForTheDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		answer := make(chan error, 1)
		sup := newRoot(supervisor.Spec{Drain: time.Minute, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			own, _ := supervisor.FromContext(ctx)
			child.Sleep(ctx, time.Second)
			answer <- own.Root().Stop(ctx)
			<-ctx.Done()
			return nil
		}}}})
		began := time.Now()
		_, result := serves(t, sup)
		require.NoError(t, <-answer)
		require.Equal(t, time.Second, time.Since(began))
		require.NoError(t, <-result)
		require.Equal(t, time.Second+time.Minute, time.Since(began))
	})
}

// Run without a tree around it makes a root, which drains like one.
func TestRunAsARootDrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Drain: time.Minute, Children: []child.Spec{{Name: "a", Run: idle}}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sup.Run(child.FromContext(ctx)) }()
		synctest.Wait()
		began := time.Now()
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

func TestUpgradeChangesTheDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := supervisor.Spec{Drain: time.Minute, Children: []child.Spec{{Name: "a", Run: idle}}}
		sup := newRoot(spec)
		require.NoError(t, sup.Start(t.Context()))
		spec.Drain = 0
		require.NoError(t, sup.Upgrade(spec))
		began := time.Now()
		require.NoError(t, sup.Stop(t.Context()))
		require.Zero(t, time.Since(began))

		spec.Drain = -1
		require.ErrorContains(t, sup.Upgrade(spec), "Drain: negative: -1ns")
		spec.Drain = child.Forever // until the ctx of a Stop ends
		require.NoError(t, sup.Upgrade(spec))
		require.NoError(t, sup.Start(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Hour)
		defer cancel()
		require.NoError(t, sup.Stop(ctx))
		require.Equal(t, 1000*time.Hour, time.Since(began))
	})
}

// A second stop may end a drain. Children and events still have the cause of the first.
func TestADrainThatIsEndedEarlyKeepsItsCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		causes := make(chan error, 1)
		sup := newRoot(supervisor.Spec{Drain: time.Minute, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil
		}}}})
		r := record(t, sup, everyKind()...)
		cancel, result := serves(t, sup)
		r.take()
		cancel(errTerminated)
		synctest.Wait()
		ended, end := context.WithCancel(t.Context())
		end()
		require.NoError(t, sup.Stop(ended))
		require.NoError(t, <-result)
		require.ErrorIs(t, <-causes, errTerminated)
		require.Equal(t, []string{
			"draining : shutdown", "closing : shutdown, because draining ", "stopping /a: shutdown, because closing ",
			"stopped /a: shutdown, because closing ", "over : shutdown, because closing ",
		}, r.reasons())
	})
}

func TestUpgradeDoesNotEndADrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := supervisor.Spec{Drain: time.Minute, Children: []child.Spec{{Name: "a", Run: idle}}}
		sup := newRoot(spec)
		cancel, result := serves(t, sup)
		began := time.Now()
		cancel(nil)
		synctest.Wait()
		spec.Drain = 0
		require.NoError(t, sup.Upgrade(spec))
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, <-result)
	})
}
