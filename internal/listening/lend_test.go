package listening

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// queue is a listener whose connections come from a channel. SetDeadline with a time in the
// past makes Accept return, as with a TCP listener.
type queue struct {
	conns    chan net.Conn
	deadline chan struct{} // closed: it has passed
	closes   int
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn, 10), deadline: make(chan struct{})} }

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.deadline:
		return nil, errBoom
	}
}

func (q *queue) Close() error {
	q.closes++
	return nil
}

func (q *queue) Addr() net.Addr { return nil }

// deadlined is a queue with SetDeadline.
type deadlined struct{ *queue }

func (q deadlined) SetDeadline(at time.Time) error {
	if at.IsZero() {
		q.deadline = make(chan struct{})
	} else {
		close(q.deadline)
	}
	return nil
}

func lend(t *testing.T, l *Lending, ln net.Listener) net.Listener {
	t.Helper()
	lent, err := l.Lend(ln)
	require.NoError(t, err)
	return lent
}

// accepting calls Accept on another goroutine, and returns when that waits.
func accepting(ln net.Listener) (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		ended <- err
	}()
	synctest.Wait()
	return ended
}

func TestNextRunTakesTheListenerFromOneThatStillAccepts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lending
		q := deadlined{newQueue()}
		first := lend(t, &l, q)
		ended := accepting(first)
		second := lend(t, &l, q)
		require.ErrorIs(t, <-ended, net.ErrClosed)

		require.NoError(t, first.Close(), "late")
		_, err := first.Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		conn, _ := net.Pipe()
		q.conns <- conn
		got, err := second.Accept()
		require.NoError(t, err, "the end of the first run did not end the Accept of the second")
		require.Same(t, conn, got)
		require.Zero(t, q.closes)
	})
}

func TestClosingALentListenerOnlyEndsTheAcceptOfItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Lending
		q := deadlined{newQueue()}
		for range 3 {
			ln := lend(t, &l, q)
			ended := accepting(ln)
			require.NoError(t, ln.Close())
			require.ErrorIs(t, <-ended, net.ErrClosed)
		}
		require.Zero(t, q.closes)
	})
}

func TestListenerWithoutSetDeadlineIsLentOnce(t *testing.T) {
	var l Lending
	q := newQueue()
	ln := lend(t, &l, q)
	require.NoError(t, ln.Close())
	require.NoError(t, ln.Close())
	require.Equal(t, 1, q.closes)
	_, err := l.Lend(q)
	require.ErrorContains(t, err, "has no SetDeadline")
}

func TestErrorOfAcceptIsThatOfTheListener(t *testing.T) {
	var l Lending
	q := deadlined{newQueue()}
	ln := lend(t, &l, q)
	close(q.deadline)
	_, err := ln.Accept()
	require.Equal(t, errBoom, err)
}

func TestClosedListenerIsNotLent(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, tcp.Close())
	_, err = new(Lending).Lend(tcp)
	require.ErrorIs(t, err, net.ErrClosed)
}
