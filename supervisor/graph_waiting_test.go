package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// Health names the child that another one waits for, also before the first start.
func TestHealthOfAGraphSaysWhatAChildWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		sup := newRoot(graphOf(
			child.Spec{Name: "edge", Run: idle, Needs: []string{"api"}},
			child.Spec{Name: "api", Run: idle, Needs: []string{"cache", "old", "db"}},
			child.Spec{Name: "old", Run: func(child.Context) error { return child.ErrIgnore }},
			child.Spec{Name: "cache", Run: idle},
			child.Spec{Name: "db", Run: db.Run, Backoff: child.Constant(time.Minute)},
		))
		db.ReadyAfter = time.Second
		go func() { _ = sup.Start(t.Context()) }()
		synctest.Wait()
		require.EqualError(t, sup.Health(), "/root/edge: not ready: waiting for api\n"+
			"/root/api: not ready: waiting for db\n/root/db: not ready: starting")
		time.Sleep(time.Second)
		db.end(errBoom)
		require.EqualError(t, sup.Health(), "/root/edge: not ready: waiting for api\n"+
			"/root/api: not ready: waiting for db\n/root/db: not ready: next start in 1m0s: boom")
		sup.Suspend(t.Context())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.ErrorContains(t, sup.Health(), "/root/db: not ready: waiting: boom")
		sup.Resume(t.Context())
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, sup.Health())
		require.NoError(t, sup.Stop(context.Background()))
	})
}

// A child whose start was cut off by the failure of one that it needs waits for that one, and the
// error of the supervisor's start says so.
func TestGraphStartThatIsCutOffNamesTheNeedThatFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		sup := newRoot(graphOf(
			child.Spec{Name: "api", Run: slow(time.Hour, 0), Needs: []string{"db"}},
			child.Spec{Name: "db", Run: db.Run, Backoff: child.Constant(time.Hour)},
		))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		answer := make(chan error)
		go func() { answer <- sup.Start(ctx) }()
		synctest.Wait()
		db.end(errBoom)
		require.EqualError(t, <-answer, "/root: context deadline exceeded: still starting: /root/api (waiting for db)")
	})
}
