package grpcserver_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/supervisor"
)

func TestUnixSocket(t *testing.T) {
	path := socketFile(t)
	s := grpcserver.New(grpcserver.Spec{Network: "unix", Addr: path, Register: says("hi")})
	root := start(t, s, child.Spec{})
	for range 2 {
		require.Equal(t, path, addr(t, s))
		require.Equal(t, "hi", mustCall(t, dial(t, "unix:"+path)))
		require.NoError(t, root.RestartChild(soon(t), "api"))
	}
	require.NoError(t, root.Stop(context.Background()))
	require.NoFileExists(t, path)
}

func TestGivenListenerServesEveryRunAndStaysOpen(t *testing.T) {
	ln := listen(t)
	s := grpcserver.New(grpcserver.Spec{Listener: ln, Addr: "ignored", Register: says("hi")})
	root := start(t, s, child.Spec{})
	for range 3 {
		require.Equal(t, ln.Addr().String(), addr(t, s))
		require.Equal(t, "hi", mustCall(t, client(t, s)))
		require.NoError(t, root.RestartChild(soon(t), "api"))
	}
	require.NoError(t, root.Stop(context.Background()))
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err, "the given listener stays open")
	_ = conn.Close()
}

func TestGivenListenerOutlivesAnAbandonedRun(t *testing.T) {
	ln := listen(t)
	came, release := make(chan struct{}, 1), make(chan struct{})
	var calls atomic.Int64
	s := grpcserver.New(grpcserver.Spec{Listener: ln, Register: unary(func(context.Context) (string, error) {
		if calls.Add(1) > 1 {
			return "hi", nil
		}
		came <- struct{}{}
		<-release
		return "", nil
	})})
	root := start(t, s, child.Spec{StopTimeout: child.AtOnce})
	late := events(t, root, supervisor.EventLateExit)
	first := client(t, s)
	go func() { _, _ = call(soon(t), first) }()
	next(t, came)
	require.NoError(t, root.RestartChild(soon(t), "api"))
	close(release)
	next(t, late)
	require.Equal(t, "hi", mustCall(t, dial(t, ln.Addr().String())), "the end of the abandoned run did not close the listener of its successor")
}

// plain is a listener without SetDeadline.
type plain struct{ net.Listener }

func TestGivenListenerWithoutSetDeadlineServesOneRun(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Listener: plain{listen(t)}, Register: says("hi")})
	root := start(t, s, child.Spec{})
	require.Equal(t, "hi", mustCall(t, client(t, s)))
	require.ErrorContains(t, root.RestartChild(soon(t), "api"), "has no SetDeadline")
}

func TestClosedGivenListenerIsAFailedStart(t *testing.T) {
	ln := listen(t)
	require.NoError(t, ln.Close())
	s := grpcserver.New(grpcserver.Spec{Listener: ln, Register: says("hi")})
	require.ErrorIs(t, launch(t, s, child.Spec{}).Start(soon(t)), net.ErrClosed)
}

// spiteful is a listener whose Close panics. It is called where a panic would crash the
// process.
type spiteful struct{ net.Listener }

func (s spiteful) Close() error {
	_ = s.Listener.Close()
	panic(errBoom)
}

func TestPanicOfCloseIsReported(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi"), Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
		ln, err := new(net.ListenConfig).Listen(ctx, network, address)
		return spiteful{ln}, err
	}})
	root := start(t, s, child.Spec{})
	require.Equal(t, "hi", mustCall(t, client(t, s)))
	require.ErrorIs(t, root.Stop(context.Background()), errBoom)
}
