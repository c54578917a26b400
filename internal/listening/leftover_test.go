//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package listening

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/testkit"
)

// opens requires that a listener at path can be made, and closes it when the test ends.
func opens(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := Open(t.Context(), nil, "unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// requireListens requires that a process listens at path.
func requireListens(t *testing.T, path string) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	_ = conn.Close()
}

func TestSocketOfAKilledProcessIsReplaced(t *testing.T) {
	path := testkit.LeftoverSocket(t, time.Hour)
	ln := opens(t, path)
	requireListens(t, path)
	require.NoError(t, ln.Close())
	require.NoFileExists(t, path)
}

func TestLeftoverSocketIsReplacedWithACustomListen(t *testing.T) {
	path := testkit.LeftoverSocket(t, time.Hour)
	tries := 0
	ln, err := Open(t.Context(), func(ctx context.Context, network, address string) (net.Listener, error) {
		tries++
		return new(net.ListenConfig).Listen(ctx, network, address)
	}, "unix", path)
	require.NoError(t, err)
	defer ln.Close()
	require.Equal(t, 2, tries)
	requireListens(t, path)
}

// A young socket may belong to a server that has bound it and does not listen yet.
func TestYoungLeftoverIsReplacedOnceItIsOldEnough(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"just left": 0, "the clock was set back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := testkit.LeftoverSocket(t, age)
			opens(t, path)
			requireListens(t, path)
		})
	}
}

func TestSocketThatIsServedIsKept(t *testing.T) {
	path := testkit.SocketFile(t)
	opens(t, path)
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	_, err := Open(t.Context(), nil, "unix", path)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	requireListens(t, path)
}

func TestFileThatIsNotASocketIsKept(t *testing.T) {
	dir := filepath.Dir(testkit.SocketFile(t))
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	folder := filepath.Join(dir, "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(testkit.LeftoverSocket(t, time.Hour), link))
	for _, path := range []string{file, folder, link} {
		_, err := Open(t.Context(), nil, "unix", path)
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		_, err = os.Lstat(path)
		require.NoError(t, err)
	}
}

func TestSocketInALockedDirectoryIsKept(t *testing.T) {
	t.Parallel()
	path := testkit.LeftoverSocket(t, time.Hour)
	dir, err := os.Open(filepath.Dir(path))
	require.NoError(t, err)
	defer dir.Close()
	require.NoError(t, syscall.Flock(int(dir.Fd()), syscall.LOCK_SH))
	_, err = Open(t.Context(), nil, "unix", path)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "locked")
	_, err = os.Lstat(path)
	require.NoError(t, err)
}

func TestWaitForAYoungSocketEndsWithItsContext(t *testing.T) {
	path := testkit.LeftoverSocket(t, -time.Hour)
	ctx, cancel := context.WithCancelCause(t.Context())
	began := time.Now()
	_, err := Open(ctx, func(ctx context.Context, network, address string) (net.Listener, error) {
		defer cancel(errBoom)
		return new(net.ListenConfig).Listen(ctx, network, address)
	}, "unix", path)
	require.ErrorIs(t, err, errBoom)
	require.Less(t, time.Since(began), time.Second)
}

// An abstract socket has no file. A file with its name is unrelated.
func TestFileWithTheNameOfAnAbstractSocketIsKept(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has abstract sockets")
	}
	t.Chdir(filepath.Dir(testkit.LeftoverSocket(t, time.Hour)))
	name := "@" + filepath.Base(filepath.Dir(testkit.SocketFile(t)))
	require.NoError(t, os.Rename("s", name))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: name})) // not listening, so it refuses connections
	_, err = Open(t.Context(), nil, "unix", name)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	_, err = os.Lstat(name)
	require.NoError(t, err)
}

// Later ones must not remove the socket of the first.
func TestOneOfManyConcurrentStartsGetsThePath(t *testing.T) {
	path := testkit.LeftoverSocket(t, time.Hour)
	var group sync.WaitGroup
	var won atomic.Pointer[net.Listener]
	for range 20 {
		group.Go(func() {
			ln, err := Open(t.Context(), nil, "unix", path)
			switch {
			case err == nil && !won.CompareAndSwap(nil, &ln):
				t.Error("two have the path")
			case err != nil && !errors.Is(err, syscall.EADDRINUSE):
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.NotNil(t, won.Load())
	defer (*won.Load()).Close()
	requireListens(t, path)
}
