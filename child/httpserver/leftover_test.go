//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package httpserver_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
)

// leftover makes a socket like that of a process that was killed some time ago.
func leftover(t *testing.T, age time.Duration) (path string) {
	t.Helper()
	path = socketFile(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	ln.SetUnlinkOnClose(false)
	require.NoError(t, ln.Close())
	aged(t, path, age)
	return path
}

func aged(t *testing.T, path string, age time.Duration) {
	then := time.Now().Add(-age)
	require.NoError(t, os.Chtimes(path, then, then))
}

func unix(path string, h http.Handler) *httpserver.Server {
	return httpserver.New(httpserver.Spec{Network: "unix", Server: each(path, h)})
}

func TestSocketOfAKilledProcessIsReplaced(t *testing.T) {
	path := leftover(t, time.Hour)
	root := start(t, unix(path, says("hi")), child.Spec{})
	require.Equal(t, "hi", mustGet(t, unixClient(t, path), "http://any"))
	require.NoError(t, root.Stop(context.Background()))
	require.NoFileExists(t, path)
}

func TestLeftoverSocketIsReplacedWithACustomListen(t *testing.T) {
	path := leftover(t, time.Hour)
	tries := 0
	s := httpserver.New(httpserver.Spec{
		Network: "unix",
		Server:  each(path, says("hi")),
		Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
			tries++
			return new(net.ListenConfig).Listen(ctx, network, address)
		},
	})
	start(t, s, child.Spec{})
	require.Equal(t, 2, tries)
	require.Equal(t, "hi", mustGet(t, unixClient(t, path), "http://any"))
}

// A young socket may belong to a server that has bound it and does not listen yet.
func TestYoungLeftoverIsReplacedOnceItIsOldEnough(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"just left": 0, "the clock was set back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := leftover(t, age)
			start(t, unix(path, says("hi")), child.Spec{})
			require.Equal(t, "hi", mustGet(t, unixClient(t, path), "http://any"))
		})
	}
}

func TestSocketThatIsServedIsKept(t *testing.T) {
	path := socketFile(t)
	start(t, unix(path, says("theirs")), child.Spec{})
	aged(t, path, time.Hour)
	err := launch(t, unix(path, says("mine")), child.Spec{}).Start(soon(t))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.Equal(t, "theirs", mustGet(t, unixClient(t, path), "http://any"))
}

func TestFileThatIsNotASocketIsKept(t *testing.T) {
	dir := filepath.Dir(socketFile(t))
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	folder := filepath.Join(dir, "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(leftover(t, time.Hour), link))
	for _, path := range []string{file, folder, link} {
		err := launch(t, unix(path, says("mine")), child.Spec{}).Start(soon(t))
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		_, err = os.Lstat(path)
		require.NoError(t, err)
	}
}

func TestSocketInALockedDirectoryIsKept(t *testing.T) {
	t.Parallel()
	path := leftover(t, time.Hour)
	dir, err := os.Open(filepath.Dir(path))
	require.NoError(t, err)
	defer dir.Close()
	require.NoError(t, syscall.Flock(int(dir.Fd()), syscall.LOCK_SH))
	err = launch(t, unix(path, says("mine")), child.Spec{}).Start(soon(t))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "locked")
	_, err = os.Lstat(path)
	require.NoError(t, err)
}

func TestWaitForAYoungSocketEndsWithItsRun(t *testing.T) {
	path := leftover(t, -time.Hour)
	ctx, cancel := context.WithCancelCause(context.Background())
	s := httpserver.New(httpserver.Spec{
		Network: "unix",
		Server:  each(path, says("mine")),
		Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
			defer cancel(errBoom)
			return new(net.ListenConfig).Listen(ctx, network, address)
		},
	})
	began := time.Now()
	require.ErrorIs(t, s.Run(child.FromContext(ctx)), errBoom)
	require.Less(t, time.Since(began), time.Second)
}

// An abstract socket has no file. A file with its name is unrelated.
func TestAbstractSocketInUseIsAFailedStart(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has abstract sockets")
	}
	t.Chdir(filepath.Dir(leftover(t, time.Hour)))
	name := "@" + filepath.Base(filepath.Dir(socketFile(t)))
	require.NoError(t, os.Rename("s", name))
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: name})) // not listening, so it refuses connections
	require.ErrorIs(t, launch(t, unix(name, says("mine")), child.Spec{}).Start(soon(t)), syscall.EADDRINUSE)
	_, err = os.Lstat(name)
	require.NoError(t, err)
}

// Later ones must not remove the socket of the first.
func TestOneOfManyConcurrentStartsGetsThePath(t *testing.T) {
	path := leftover(t, time.Hour)
	var group sync.WaitGroup
	var won atomic.Int64
	for range 20 {
		root := launch(t, unix(path, says("hi")), child.Spec{})
		group.Go(func() {
			if err := root.Start(soon(t)); err == nil {
				won.Add(1)
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, won.Load())
	require.Equal(t, "hi", mustGet(t, unixClient(t, path), "http://any"))
}
