package testkit

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// SocketFile returns the path of a file that does not exist, in a directory of its own. The
// path is short enough for a unix socket; one below t.TempDir may not be.
func SocketFile(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// LeftoverSocket makes a unix socket like that of a process that was killed some time ago.
func LeftoverSocket(t testing.TB, age time.Duration) (path string) {
	t.Helper()
	path = SocketFile(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	then := time.Now().Add(-age)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	return path
}
