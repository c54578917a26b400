package supervisor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A child that is being stopped because it hangs, or starts for too long, is restarted
// unless a caller asks for something else before it is gone.
func TestStopOfAChildThatHangsMeansThatItStaysStopped(t *testing.T) {
	for name, spec := range map[string]child.Spec{
		"hung":                {Heartbeat: time.Second},
		"starts for too long": {StartTimeout: time.Second, RetryStart: true},
	} {
		for what, ask := range map[string]func(*supervisor.Supervisor, *testing.T) error{
			"StopChild":   func(sup *supervisor.Supervisor, t *testing.T) error { return sup.StopChild(t.Context(), "a") },
			"RemoveChild": func(sup *supervisor.Supervisor, t *testing.T) error { return sup.RemoveChild(t.Context(), "a") },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					spec, runs := spec, 0
					spec.Name, spec.StopTimeout = "a", time.Hour
					spec.Run = func(ctx child.Context) error {
						runs++
						if spec.Heartbeat > 0 {
							_ = ctx.Ready()
						}
						<-ctx.Done()
						time.Sleep(time.Minute)
						return nil
					}
					sup := start(t, supervisor.Spec{Strategy: strategy.OneForOne})
					go func() { _ = sup.StartChild(t.Context(), spec) }()
					time.Sleep(2 * time.Second)
					require.Equal(t, child.Stopping, state(t, sup, "a"))
					recorded := record(t, sup, supervisor.EventFailed, supervisor.EventStopped)
					require.NoError(t, ask(sup, t))
					time.Sleep(time.Hour)
					require.Equal(t, []string{"stopped a"}, recorded.lines())
					require.Equal(t, 1, runs)
					st, there := sup.Lookup("a")
					// One that was not ready is taken back by the StartChild that waits for it.
					require.Equal(t, what == "StopChild" && spec.Heartbeat > 0, there)
					if there {
						require.Equal(t, child.Stopped, st.State)
					}
				})
			})
		}
	}
}

func TestTemporaryChildThatHangsHasFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{
			Name: "a", Restart: child.Temporary, Heartbeat: time.Second, Run: idle,
		}}})
		recorded := record(t, sup)
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"hung a", "stopping a", "stopped a", "failed a", "removed a"}, recorded.lines())
	})
}

func TestTemporaryChildThatStartsForTooLongHasFailedToStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		recorded := record(t, sup)
		err := sup.StartChild(t.Context(), child.Spec{Name: "a", Restart: child.Temporary, StartTimeout: time.Second, Run: never})
		require.EqualError(t, err, "/root/a: start timeout")
		synctest.Wait()
		require.Equal(t, []string{"starting a", "stopping a", "stopped a", "failed a", "removed a"}, recorded.lines())
	})
}
