package supervisor_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The name of a root is the first part of every path that has been shown or is kept by a
// caller. It changes with the next start.
func TestUpgradeRenamesNoRunningRoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := func(name string) supervisor.Spec {
			return supervisor.Spec{Name: name, Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}}
		}
		sup := newRoot(spec("shop"))
		require.NoError(t, sup.Start(t.Context()))
		require.EqualError(t, sup.Upgrade(spec("other")), "/shop: a running root cannot change its name")
		require.EqualError(t, sup.Upgrade(spec("")), "/shop: a running root cannot change its name")
		require.NoError(t, sup.Upgrade(spec("shop")))
		require.Equal(t, "shop", sup.Tree().Name)
		require.NoError(t, sup.Stop(t.Context()))

		require.NoError(t, sup.Upgrade(spec("other")))
		require.Equal(t, "/shop", sup.Path(), "what it was")
		require.Equal(t, "shop", sup.Tree().Name)
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, "/other", sup.Path())
		require.Equal(t, "other", sup.Tree().Name)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestNoNameIsTheDefaultNameForAnUpgradeToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		require.NoError(t, sup.Upgrade(supervisor.Spec{Name: "root", Logger: quiet}))
		require.NoError(t, sup.Upgrade(supervisor.Spec{Logger: quiet}))
	})
}

func TestUpgradeOfANestedSupervisorMayNameItAsItLikes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		jobs := newRoot(supervisor.Spec{Name: "mine", Children: []child.Spec{{Name: "a", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
		require.NoError(t, jobs.Upgrade(supervisor.Spec{Name: "other", Logger: quiet, Children: []child.Spec{{Name: "a", Run: idle}}}))
		require.Equal(t, "/root/jobs", jobs.Path())
		require.Equal(t, "jobs", jobs.Tree().Name)
		require.Equal(t, "jobs", sup.Tree().Children[0].Name)
	})
}

// The faults of a spec are those of New.
func TestUpgradeRefusesAFaultySpecAndChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Intensity: none, Children: []child.Spec{{Name: "a", Run: p.Run}}})
		require.EqualError(t, sup.Upgrade(supervisor.Spec{
			Intensity: strategy.AtMost(3, time.Minute), Backoff: child.Constant(time.Second),
		}), "/root: Intensity: counts only restarts without a backoff, but Backoff gives every child one; use Backoff.Retries instead")
		p.end(errBoom)
		require.EqualError(t, sup.Wait(), "/root: gave up: more than 0 restarts in 1s: /root/a: boom")
	})
}

// A policy is called once for each delay: another call would cost it an attempt, and an
// answer that gives up would be ignored. Each upgrade makes a new policy, so the calls show.
func TestUpgradeDuringADelayOfTheStartDoesNotCallTheBackoffAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int32
		spec := supervisor.Spec{Logger: quiet, Children: []child.Spec{{
			Name: "a", RetryStart: true,
			Backoff: func() child.BackoffPolicy { calls.Add(1); return child.Constant(time.Second)() },
			Run:     func(child.Context) error { return errBoom },
		}}}
		sup := supervisor.New(spec)
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		require.EqualValues(t, 1, calls.Load())
		for range 3 {
			require.NoError(t, sup.Upgrade(spec))
			synctest.Wait()
		}
		require.EqualValues(t, 1, calls.Load())
		time.Sleep(time.Second) // the delay ends as it would have without the upgrades
		synctest.Wait()
		require.EqualValues(t, 2, calls.Load())
		require.NoError(t, sup.Stop(t.Context()))
		require.Error(t, <-started)
	})
}
