package supervisor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A vendor offers the number of its run, and ends as its puppet does.
type vendor struct {
	puppet
	offer  child.Ref[int]
	lately time.Duration // passes between the end of the context and that of Run
	runs   atomic.Int32
}

func newVendor() *vendor { return new(vendor) }

func (v *vendor) Run(ctx child.Context) error {
	v.offer.Set(ctx, int(v.runs.Add(1)))
	err := v.puppet.Run(ctx)
	if ctx.ShouldHalt() {
		time.Sleep(v.lately)
	}
	return err
}

func TestRefIsThereForTheNextChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendor()
		got := 0
		start(t, supervisor.Spec{Children: []child.Spec{{Name: "v", Run: v.Run}, {Name: "user", Run: func(ctx child.Context) (err error) {
			if got, err = v.offer.Get(ctx); err != nil {
				return err
			}
			return newPuppet().Run(ctx)
		}}}})
		require.Equal(t, 1, got)
	})
}

func TestRefIsReplacedByTheNextRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendor()
		start(t, supervisor.Spec{Children: []child.Spec{{Name: "v", Run: v.Run}}})
		for run := 1; run <= 3; run++ {
			got, ok := v.offer.Load()
			require.True(t, ok)
			require.Equal(t, run, got)
			v.end(errBoom)
		}
	})
}

// It is gone from the moment the context of the run is cancelled, not only when Run returns.
func TestRefIsWithdrawnWhenTheRunIsStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendor()
		v.lately = time.Second
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "v", Run: v.Run}}})
		go func() { _ = sup.StopChild(context.Background(), "v") }()
		synctest.Wait()
		require.Equal(t, child.Stopping, state(t, sup, "v"))
		_, ok := v.offer.Load()
		require.False(t, ok)
		time.Sleep(time.Second)
	})
}

func TestRefsWaiterGetsTheOfferOfTheNextRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendor()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "v", Run: v.Run, Backoff: child.Constant(time.Minute)}}})
		v.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "v"))
		began := time.Now()
		got, err := v.offer.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, got)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// A child that waits for what a sibling offers stops waiting when its own turn to stop comes.
func TestRefsWaiterIsStoppedWithItsCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var never child.Ref[int]
		var got error
		sup := start(t, supervisor.Spec{})
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "user", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			_, got = never.Get(ctx)
			return got
		}}))
		require.NoError(t, sup.RemoveChild(t.Context(), "user"))
		require.Same(t, child.ErrRemoved, got)
	})
}

// In a group restart the user never sees the offer of the run that has ended.
func TestRefInAGroupRestartIsThatOfTheNewRun(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		bubble(t, func(t *testing.T) {
			v := newVendor()
			var got []int
			start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "v", Run: v.Run}, {Name: "user", Run: func(ctx child.Context) error {
				n, err := v.offer.Get(ctx)
				if err != nil {
					return err
				}
				got = append(got, n)
				return newPuppet().Run(ctx)
			}}}})
			v.end(errBoom)
			v.end(errBoom)
			require.Equal(t, []int{1, 2, 3}, got)
		})
	}
}

func TestRefOfAnAbandonedRunDoesNotReplaceThatOfItsSuccessor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var offer child.Ref[string]
		release := make(chan struct{})
		var runs atomic.Int32
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "v", StopTimeout: time.Second, Run: func(ctx child.Context) error {
			if runs.Add(1) == 1 {
				_ = ctx.Ready()
				<-release
				offer.Set(ctx, "zombie")
				return nil
			}
			offer.Set(ctx, "successor")
			return newPuppet().Run(ctx)
		}}}})
		require.Len(t, left(t, sup.RestartChild(t.Context(), "v")), 1)
		close(release)
		synctest.Wait()
		got, ok := offer.Load()
		require.True(t, ok)
		require.Equal(t, "successor", got)
	})
}

// A context derived in Run counts as that run, as far as it lives.
func TestRefSetWithADerivedContextEndsWithThat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var offer child.Ref[int]
		start(t, supervisor.Spec{Children: []child.Spec{{Name: "v", Run: func(ctx child.Context) error {
			derived, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			offer.Set(child.FromContext(derived), 1)
			return newPuppet().Run(ctx)
		}}}})
		_, ok := offer.Load()
		require.True(t, ok)
		time.Sleep(time.Second)
		synctest.Wait()
		_, ok = offer.Load()
		require.False(t, ok)
	})
}
