package blackbox

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// mount mounts a small file system in memory. That needs root.
func mount(t *testing.T, options string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_NODEV, options); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

func TestAFileSystemThatIsFull(t *testing.T) {
	dir := mount(t, "size=1m")
	var log logBuffer
	a := newFragile()
	root := shop(child.Spec{Name: "a", Run: a.Run})
	r := watchOn(root, Spec{Dir: dir, Logger: log.logger()}, nil)
	require.NoError(t, root.Start(t.Context()))
	r.await(supervisor.EventReady)

	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	require.NoError(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
	for range 200 { // more than the last block of the file takes
		a.fail <- errBoom
		r.await(supervisor.EventReady)
	}
	r.record(supervisor.Event{Kind: supervisor.EventHung, Path: "/shop/a"}) // a dump does not fit
	r.settle()
	require.Equal(t, 1, log.count("level=WARN"), log.String())
	require.Equal(t, 1, log.count("no space left on device"))

	require.NoError(t, os.Remove(ballast))
	a.fail <- errBoom
	r.await(supervisor.EventReady)
	require.NoError(t, root.Stop(context.Background()))
	r.stop()
	require.Equal(t, 1, log.count("writes again"), log.String())
	l := lives(t, dir)[0]
	require.Equal(t, Clean, l.End)
	events, err := l.Events(-1)
	require.NoError(t, err)
	lost := uint64(0)
	number := uint64(0)
	for _, e := range events {
		number += 1 + e.Lost
		lost += e.Lost
	}
	require.Positive(t, lost)
	require.Equal(t, r.n, number)
}

func TestAFileSystemThatIsReadOnly(t *testing.T) {
	dir := mount(t, "size=1m")
	root := shop(child.Spec{Name: "a", Run: idle})
	stop := watch(root, Spec{Dir: dir, Logger: quiet}) // detached, so the next life has something to report
	require.NoError(t, root.Start(t.Context()))
	stop()
	require.NoError(t, root.Stop(context.Background()))
	require.NoError(t, syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))

	var log logBuffer
	stop = watch(root, Spec{Dir: dir, Logger: log.logger()})
	require.Equal(t, 1, log.count("read-only file system"), log.String())
	require.Equal(t, 1, log.count("did not end well"), log.String())
	last, ok := Last(root)
	require.True(t, ok)
	require.Equal(t, Detached, last.End)
	require.NoError(t, root.Start(t.Context()))
	require.NoError(t, root.Stop(context.Background()))
	stop()
	require.Contains(t, printed(t, dir, Options{}), "the recording was stopped while the tree was running")
}
