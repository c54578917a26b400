package supervisor_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// atOnce calls every method that takes a snapshot of a supervisor, and fails if that takes
// any time. In a bubble it does so only if it waits.
func atOnce(t *testing.T, sup *supervisor.Supervisor, path string) {
	t.Helper()
	began := time.Now()
	sup.Children()
	sup.Count()
	_, ok := sup.Lookup(path)
	require.True(t, ok)
	_ = sup.Health()
	sup.Path()
	sup.Root()
	_, err := json.Marshal(sup.Tree())
	require.NoError(t, err)
	require.Equal(t, began, time.Now())
}

func TestSnapshotsAnswerAtOnceInTheMiddleOfAGroupRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf, warm := &supervisortest.Child{StopAfter: child.Forever}, make(chan struct{})
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error {
				if ctx.Restarts() > 0 {
					<-warm
				}
				return idle(ctx)
			}},
			{Name: "crash", Run: p.Run},
			{Name: "c", Run: deaf.Run, StopTimeout: child.Forever},
		}})
		root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		p.end(errBoom)
		atOnce(t, root, "in/c")
		atOnce(t, inner, "c")
		drawing(t, `
in        running   one-for-all
├─ a      running
├─ crash  waiting   last: boom, just now
└─ c      stopping
`, inner.Tree())

		deaf.Release()
		synctest.Wait()
		atOnce(t, inner, "c")
		drawing(t, `
in        running   one-for-all
├─ a      starting  1 restart
├─ crash  waiting   last: boom, just now
└─ c      waiting
`, inner.Tree())

		close(warm)
		synctest.Wait()
		drawing(t, `
shop         running   one-for-one
└─ in        running   one-for-all
   ├─ a      running   1 restart
   ├─ crash  running   1 restart, last: boom, just now
   └─ c      running   1 restart
`, root.Tree())
	})
}

func TestSnapshotsAnswerAtOnceWhileAChildHangsInItsStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: deaf.Run, StopTimeout: child.Forever},
		}})
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}, {Name: "b", Run: idle}}})
		go func() { _ = root.Stop(t.Context()) }()
		synctest.Wait()
		atOnce(t, root, "in/a")
		atOnce(t, inner, "a")
		require.Equal(t, supervisor.Counts{Specs: 2, Active: 1, Supervisors: 1, Workers: 1}, root.Count())
		deaf.Release()
		require.NoError(t, root.Wait())
	})
}

func TestSnapshotsMayBeTakenFromAChildsOwnRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		done := make(chan struct{})
		start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			sup, ok := supervisor.FromContext(ctx)
			require.True(t, ok)
			atOnce(t, sup, "a") // while it is starting
			require.NoError(t, ctx.Ready())
			<-ctx.Done()
			atOnce(t, sup, "a") // while it is stopping
			close(done)
			return nil
		}}}})
		synctest.Wait()
	})
}
