package supervisor

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// An event gets its time under the lock of its supervisor, and its number under that of
// the tree. In between, another supervisor may publish one that is later.
func TestTimeOfAnEventIsNeverBeforeThatOfTheEventBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nested := New(Spec{})
		root := New(Spec{Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "in", Run: nested.Run}}})
		require.NoError(t, root.Start(t.Context()))
		t.Cleanup(func() { _ = root.Stop(context.Background()) })
		var times []time.Duration
		now := time.Now()
		defer root.Subscribe(func(e Event) { times = append(times, e.Time.Sub(now)) }, EventError)()
		at := func(s *Supervisor, d time.Duration) {
			l := s.latest()
			l.mu.Lock()
			defer l.mu.Unlock()
			l.send(&entry{kind: EventError, path: l.path + "/a", time: now.Add(d)}, nil)
		}
		at(nested, 1)
		at(root, 5)
		at(nested, 3)
		at(root, 4)
		at(nested, 6)
		synctest.Wait()
		require.Equal(t, []time.Duration{1, 5, 5, 5, 6}, times)
	})
}
