package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A supervisor may be stopped several times. Every child sees the cause of the first stop,
// also a child that is cancelled after the second.
func TestTheFirstCauseOfAStopStands(t *testing.T) {
	stop := func(t *testing.T, sup *supervisor.Supervisor, _ context.CancelCauseFunc) {
		go func() { _ = sup.Stop(context.Background()) }()
		synctest.Wait()
	}
	stopNow := func(t *testing.T, sup *supervisor.Supervisor, _ context.CancelCauseFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = sup.Stop(ctx)
	}
	endContext := func(t *testing.T, _ *supervisor.Supervisor, end context.CancelCauseFunc) {
		end(errBoom)
		synctest.Wait()
	}
	runOut := func(*testing.T, *supervisor.Supervisor, context.CancelCauseFunc) { time.Sleep(time.Minute) }
	type wish = func(*testing.T, *supervisor.Supervisor, context.CancelCauseFunc)
	for name, c := range map[string]struct {
		wishes []wish
		ofCtx  bool // the cause is that of Serve's context
	}{
		"Stop, then the end of the context":          {[]wish{stop, endContext}, false},
		"the end of the context, then Stop":          {[]wish{endContext, stop}, true},
		"the end of the context, then Stop at once":  {[]wish{endContext, stopNow}, true},
		"Stop, then nine tenths of its time":         {[]wish{stop, runOut}, false},
		"the end of the context, then nine tenths":   {[]wish{endContext, runOut}, true},
		"Stop, the end of the context, nine tenths":  {[]wish{stop, endContext, runOut}, false},
		"the end of the context, Stop, nine tenths ": {[]wish{endContext, stop, runOut}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				first, last := new(witness), new(witness)
				sup := newRoot(supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
					{Name: "first", Run: first.Run},
					{Name: "holds up", Run: slow(0, 9500*time.Millisecond), StopTimeout: child.Forever},
					{Name: "last", Run: last.Run},
				}})
				ctx, end := context.WithCancelCause(t.Context())
				defer end(nil)
				served := make(chan error)
				go func() { served <- sup.Serve(ctx) }()
				synctest.Wait()
				for _, wish := range c.wishes {
					wish(t, sup, end)
				}
				require.NoError(t, <-served)
				for _, w := range []*witness{last, first} {
					requireCause(t, child.ErrStopped, w.causes)
					if c.ofCtx {
						require.ErrorIs(t, w.causes[0], errBoom)
					} else {
						require.NotErrorIs(t, w.causes[0], errBoom)
					}
				}
			})
		})
	}
}
