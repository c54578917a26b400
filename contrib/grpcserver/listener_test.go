package grpcserver

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair returns both ends of a connection that l has accepted.
func pair(t *testing.T, l *listener) (client, server net.Conn) {
	t.Helper()
	client, err := net.Dial(l.Addr().Network(), l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

func tracked(t *testing.T, network, address string) *listener {
	t.Helper()
	ln, err := net.Listen(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return track(ln, func() {})
}

func TestStopClosesSilentConnectionsOnly(t *testing.T) {
	l := tracked(t, "tcp", "127.0.0.1:0")
	_, silent := pair(t, l)
	client, heard := pair(t, l)
	_, err := client.Write([]byte("PRI"))
	require.NoError(t, err)
	_, err = heard.Read(make([]byte, 3))
	require.NoError(t, err)
	require.NoError(t, l.stop())
	require.NoError(t, l.stop(), "again")
	_, err = silent.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = heard.Write([]byte("still open"))
	require.NoError(t, err)
	l.closeConns()
	_, err = heard.Write([]byte("closed"))
	require.ErrorIs(t, err, net.ErrClosed)
	require.Empty(t, l.tcp)
}

// Accept may have returned a connection just before the stop.
func TestLateConnectionIsClosedAtOnce(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"} {
		l := tracked(t, network, address)
		l.stopped, l.closed = true, true
		_, late := pair(t, l)
		_, err := late.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		require.Empty(t, l.tcp)
		require.Empty(t, l.unix)
	}
}

// Credentials that ask for the process of the peer expect the type of package net.
func TestUnixConnectionKeepsItsTypeAndIsForgottenWhenItIsCollected(t *testing.T) {
	l := tracked(t, "unix", t.TempDir()+"/s")
	func() {
		_, server := pair(t, l)
		require.IsType(t, (*net.UnixConn)(nil), server)
		require.Len(t, l.unix, 1)
		l.closeConns()
		_, err := server.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	}()
	// The cleanup of pair holds the first connection until the test ends.
	func() {
		client, err := net.Dial("unix", l.Addr().String())
		require.NoError(t, err)
		defer client.Close()
		server, err := l.Listener.Accept()
		require.NoError(t, err)
		l.closed = false
		l.remember(server.(*net.UnixConn))
		require.NoError(t, server.Close())
	}()
	require.Eventually(t, func() bool {
		runtime.GC()
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.unix) == 1
	}, 20*time.Second, time.Millisecond)
}
