package supervisor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// newOutage makes a supervisor of n children that all fail when the channel is closed, and
// then wait for their backoff.
func newOutage(n int) (*Supervisor, chan<- struct{}) {
	away := make(chan struct{})
	var specs []child.Spec
	for i := range n {
		specs = append(specs, child.Spec{Name: fmt.Sprint(i), Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-away
			return errors.New("the database is away")
		}})
	}
	return New(Spec{
		Strategy: strategy.Independent, Backoff: child.Constant(time.Hour), Children: specs,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}), away
}

// What one of many failures costs must not depend on how many children fail at once. An
// earlier version looked at all failures that the log held for each of them.
func TestFailuresAtOnceCostTheSameForEachChild(t *testing.T) {
	perChild := func(n int) (bytes uint64) {
		synctest.Test(t, func(t *testing.T) {
			s, away := newOutage(n)
			require.NoError(t, s.Start(t.Context()))
			synctest.Wait()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			close(away)
			synctest.Wait()
			runtime.ReadMemStats(&after)
			require.Len(t, s.Children(child.Waiting), n)
			require.NoError(t, s.Stop(t.Context()))
			bytes = (after.TotalAlloc - before.TotalAlloc) / uint64(n)
		})
		return bytes
	}
	few, many := perChild(250), perChild(4000)
	require.Less(t, many, 2*few+1000, "bytes allocated per child")
}
