package blackbox

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestALifeThatWasStoppedIsClean(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "crash", "shop")
	db := newFragile()
	root := shop(child.Spec{Name: "db", Run: db.Run})
	ready := root.Watch(t.Context(), "db", supervisor.EventReady)
	live(t, root, Spec{Dir: dir, Logger: quiet}, func() {
		<-ready
		db.fail <- errBoom
		<-ready
	})
	all := lives(t, dir)
	require.Len(t, all, 1)
	require.Equal(t, Clean, all[0].End)
	require.Equal(t, "/shop", all[0].Root)
	require.Equal(t, os.Getpid(), all[0].PID)
	require.Empty(t, all[0].Err)
	events, err := all[0].Events(-1)
	require.NoError(t, err)
	for _, e := range events {
		require.Zero(t, e.Lost)
		require.WithinDuration(t, time.Now(), e.Time, time.Minute)
	}
	got := texts(events)
	require.Subset(t, got, []string{"starting /shop/db", "ready /shop/db", "failed /shop/db", "stopped /shop/db"})
	text := printed(t, dir, Options{})
	require.Contains(t, text, "failed /shop/db: boom")
	require.Contains(t, text, "the tree ended")

	for path, mode := range map[string]os.FileMode{
		dir: 0o700, all[0].Dir: 0o700, filepath.Join(all[0].Dir, eventsFile(1)): 0o600,
	} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
}

func TestALifeThatIsDetachedFromARunningTreeIsNotClean(t *testing.T) {
	dir := t.TempDir()
	root := shop(child.Spec{Name: "a", Run: idle})
	stop := watch(root, Spec{Dir: dir, Logger: quiet})
	require.NoError(t, root.Start(t.Context()))
	require.Equal(t, Running, lives(t, dir)[0].End)
	stop()
	stop() // has no effect
	require.Equal(t, Detached, lives(t, dir)[0].End)
	require.NoError(t, root.Stop(context.Background()))

	var log logBuffer
	defer watch(root, Spec{Dir: dir, Logger: log.logger()})()
	require.Equal(t, 1, log.count("did not end well"))
	last, ok := Last(root)
	require.True(t, ok)
	require.Equal(t, Detached, last.End)
}

func TestALifeWhoseTreeGaveUpIsCleanWithTheError(t *testing.T) {
	dir := t.TempDir()
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{
		Name: "a", Run: func(ctx child.Context) error { _ = ctx.Ready(); return errBoom },
	}}})
	stop := watch(root, Spec{Dir: dir, Logger: quiet})
	err := root.Serve(t.Context())
	require.Error(t, err)
	stop()
	l := lives(t, dir)[0]
	require.Equal(t, Clean, l.End)
	require.Equal(t, err.Error(), l.Err)
	require.Len(t, l.Dumps, 1)
	require.Contains(t, printed(t, dir, Options{}), "the tree ended: "+err.Error())
}
