package httpserver

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// conn is a connection that records whether it was closed. Tests also use it by value.
type conn struct {
	net.Conn
	closed *bool
	buffer []byte // makes that no key of a map
}

func (c conn) Close() error {
	*c.closed = true
	return nil
}

func newConn() *conn { return &conn{closed: new(bool)} }

func TestOnlySilentConnectionsAreClosed(t *testing.T) {
	srv := new(http.Server)
	s := trackSilent(srv)
	silent, active, idle, taken, gone := newConn(), newConn(), newConn(), newConn(), newConn()
	for _, c := range []*conn{silent, active, idle, taken, gone} {
		srv.ConnState(c, http.StateNew)
	}
	for _, c := range []*conn{active, idle, taken} {
		srv.ConnState(c, http.StateActive)
	}
	srv.ConnState(idle, http.StateIdle)
	srv.ConnState(taken, http.StateHijacked)
	srv.ConnState(gone, http.StateClosed)
	require.Len(t, s.conns, 1, "the others are removed")
	s.close()
	require.True(t, *silent.closed)
	for _, c := range []*conn{active, idle, taken, gone} {
		require.False(t, *c.closed)
	}
	srv.ConnState(silent, http.StateClosed) // as http.Server says then
	srv.ConnState(idle, http.StateActive)
	require.False(t, *idle.closed)
}

func TestConnectionAddedAfterCloseIsClosed(t *testing.T) {
	srv := new(http.Server)
	trackSilent(srv).close()
	late := newConn()
	srv.ConnState(late, http.StateNew)
	require.True(t, *late.closed)
	srv.ConnState(late, http.StateClosed)
}

func TestConnectionThatIsNotComparableIsNotTracked(t *testing.T) {
	srv := new(http.Server)
	s := trackSilent(srv)
	c := conn{closed: new(bool), buffer: []byte("x")}
	srv.ConnState(c, http.StateNew)
	srv.ConnState(c, http.StateActive)
	s.close()
	require.False(t, *c.closed)
	srv.ConnState(c, http.StateNew)
	require.True(t, *c.closed)
}

func TestConnStateOfTheServerIsCalledToo(t *testing.T) {
	var notified []http.ConnState
	c := newConn()
	srv := &http.Server{ConnState: func(nc net.Conn, state http.ConnState) {
		require.Equal(t, net.Conn(c), nc)
		notified = append(notified, state)
	}}
	s := trackSilent(srv)
	srv.ConnState(c, http.StateNew)
	s.close()
	srv.ConnState(c, http.StateClosed)
	require.Equal(t, []http.ConnState{http.StateNew, http.StateClosed}, notified)
}

// BenchmarkConnStates measures what the tracking adds to a request: one lock.
func BenchmarkConnStates(b *testing.B) {
	srv := new(http.Server)
	trackSilent(srv)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := newConn()
		srv.ConnState(c, http.StateNew)
		for pb.Next() {
			srv.ConnState(c, http.StateActive)
			srv.ConnState(c, http.StateIdle)
		}
	})
}
