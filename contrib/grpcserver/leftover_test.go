//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package grpcserver_test

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
)

// leftover makes a socket like that of a process that was killed some time ago.
func leftover(t *testing.T, age time.Duration) (path string) {
	t.Helper()
	path = socketFile(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	ln.SetUnlinkOnClose(false)
	require.NoError(t, ln.Close())
	then := time.Now().Add(-age)
	require.NoError(t, os.Chtimes(path, then, then))
	return path
}

func TestSocketOfAKilledProcessIsReplaced(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"old": time.Hour, "just left": 0, "the clock was set back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := leftover(t, age)
			start(t, grpcserver.New(grpcserver.Spec{Network: "unix", Addr: path, Register: says("hi")}), child.Spec{})
			require.Equal(t, "hi", mustCall(t, dial(t, "unix:"+path)))
		})
	}
}

func TestSocketThatIsServedIsKept(t *testing.T) {
	path := socketFile(t)
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer ln.Close()
	s := grpcserver.New(grpcserver.Spec{Network: "unix", Addr: path, Register: says("hi")})
	require.ErrorContains(t, launch(t, s, child.Spec{}).Start(soon(t)), "address already in use")
	require.FileExists(t, path)
}

func TestOnlySocketsAreReplaced(t *testing.T) {
	path := socketFile(t)
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	s := grpcserver.New(grpcserver.Spec{Network: "unix", Addr: path, Register: says("hi")})
	require.ErrorContains(t, launch(t, s, child.Spec{}).Start(soon(t)), "address already in use")
	require.FileExists(t, path)
}
