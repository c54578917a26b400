//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package listening

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/testkit"
)

// A server that is starting has bound its socket and will listen soon.
func TestSocketThatIsBoundButNotListeningYetIsKept(t *testing.T) {
	path := testkit.SocketFile(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))

	l := leftover{network: "unix", path: path}
	require.ErrorIs(t, l.remove(context.Background()), errYoung)
	require.NoError(t, syscall.Listen(fd, 10))
	require.ErrorIs(t, l.remove(context.Background()), errInUse)
	require.FileExists(t, path)
}

// Another server may have replaced the socket meanwhile.
func TestAgeOfALeftoverIsThatOfTheCurrentFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, age time.Duration) os.FileInfo {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, then, then))
		info, err := os.Lstat(path)
		require.NoError(t, err)
		return info
	}
	var l leftover
	require.True(t, l.settled(file("old", time.Hour)))
	first := file("first", -time.Hour)
	require.False(t, l.settled(first))
	l.since = l.since.Add(-settle)
	require.False(t, l.settled(file("second", -time.Hour)), "another file")
	l.since = l.since.Add(-settle)
	require.True(t, l.settled(l.seen), "it has been watched for long enough")
	l.since = time.Now().Add(-settle)
	require.False(t, l.settled(file("second", -2*time.Hour)), "the same path, created again")
}
