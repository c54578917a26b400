package grpcserver_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/supervisor"
)

func TestReadyMeansThatConnectionsAreAccepted(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	root := start(t, s, child.Spec{})
	at, ok := s.Addr.Load()
	require.True(t, ok, "it is set by then")
	require.Equal(t, "hi", mustCall(t, dial(t, at.String())))
	require.NoError(t, root.Stop(context.Background()))
	_, ok = s.Addr.Load()
	require.False(t, ok)
}

func TestARestartServesAgainWithAFreshServer(t *testing.T) {
	var servers atomic.Int64
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: func(ctx child.Context, srv *grpc.Server) error {
		servers.Add(1)
		reflection.Register(srv)
		return says("hi")(ctx, srv)
	}})
	root := start(t, s, child.Spec{})
	for range 3 {
		require.Equal(t, "hi", mustCall(t, client(t, s)))
		require.NoError(t, root.RestartChild(soon(t), "api"))
	}
	require.Equal(t, "hi", mustCall(t, client(t, s)), "the new address, if it is a new one")
	require.EqualValues(t, 4, servers.Load())
}

func TestPortInUseIsRetriedUntilItIsFree(t *testing.T) {
	taken := listen(t)
	s := grpcserver.New(grpcserver.Spec{Addr: taken.Addr().String(), Register: says("mine")})
	root := launch(t, s, child.Spec{RetryStart: true})
	failed := events(t, root, supervisor.EventFailed)
	started := make(chan error, 1)
	go func() { started <- root.Start(soon(t)) }()
	for range 3 {
		var op *net.OpError
		require.ErrorAs(t, next(t, failed).Err, &op)
		require.Equal(t, "listen", op.Op)
	}
	require.NoError(t, taken.Close())
	require.NoError(t, next(t, started))
	require.Equal(t, "mine", mustCall(t, client(t, s)))
}

func TestInvalidSpecsFail(t *testing.T) {
	ok := says("hi")
	for name, c := range map[string]struct {
		spec grpcserver.Spec
		want string
	}{
		"no services":      {grpcserver.Spec{Addr: loopback}, "Spec.Register is nil"},
		"error":            {grpcserver.Spec{Addr: loopback, Register: func(child.Context, *grpc.Server) error { return errBoom }}, "boom"},
		"panic":            {grpcserver.Spec{Addr: loopback, Register: func(child.Context, *grpc.Server) error { panic("broken") }}, "panic: broken"},
		"error of options": {grpcserver.Spec{Addr: loopback, Register: ok, Options: func(child.Context) ([]grpc.ServerOption, error) { return nil, errBoom }}, "boom"},
		"no address":       {grpcserver.Spec{Register: ok}, "Spec.Addr is empty"},
		"unknown network":  {grpcserver.Spec{Register: ok, Addr: loopback, Network: "carrier pigeon"}, "unknown network"},
		"nil listener": {grpcserver.Spec{Register: ok, Addr: loopback,
			Listen: func(context.Context, string, string) (net.Listener, error) { return nil, nil }}, "Spec.Listen returned nil"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, launch(t, grpcserver.New(c.spec), child.Spec{}).Start(soon(t)), c.want)
		})
	}
}

func TestOptionsAreMadeForEachRun(t *testing.T) {
	runs := 0
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi"), Options: func(child.Context) ([]grpc.ServerOption, error) {
		runs++
		refuse := func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
			return nil, status.Errorf(codes.Aborted, "run %d", runs)
		}
		return []grpc.ServerOption{grpc.NumStreamWorkers(2), grpc.ChainUnaryInterceptor(refuse)}, nil
	}})
	root := start(t, s, child.Spec{})
	_, err := call(soon(t), client(t, s))
	require.ErrorContains(t, err, "run 1")
	require.NoError(t, root.RestartChild(soon(t), "api"))
	_, err = call(soon(t), client(t, s))
	require.ErrorContains(t, err, "run 2")
}

// A failed start must end the goroutines of the server that was made for it: the check for
// leaks at the end of all tests finds them.
func TestFailedStartLeaksNothing(t *testing.T) {
	taken := listen(t)
	workers := func(child.Context) ([]grpc.ServerOption, error) {
		return []grpc.ServerOption{grpc.NumStreamWorkers(2)}, nil
	}
	for _, spec := range []grpcserver.Spec{
		{Addr: taken.Addr().String(), Options: workers, Register: says("hi")},
		{Addr: loopback, Options: workers, Register: func(child.Context, *grpc.Server) error { return errBoom }},
		{Addr: loopback, Options: workers, Register: func(child.Context, *grpc.Server) error { panic(errBoom) }},
	} {
		require.Error(t, launch(t, grpcserver.New(spec), child.Spec{}).Start(soon(t)))
	}
}

// broken is a listener whose Accept fails, or panics, once fail is closed.
type broken struct {
	net.Listener
	accepted chan net.Conn
	fail     chan struct{}
	panics   bool
}

func breakable(ln net.Listener) *broken {
	b := &broken{Listener: ln, accepted: make(chan net.Conn), fail: make(chan struct{})}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.accepted <- c
		}
	}()
	return b
}

func (b *broken) Accept() (net.Conn, error) {
	select {
	case c := <-b.accepted:
		return c, nil
	case <-b.fail:
		if b.panics {
			panic(errBoom)
		}
		return nil, errBoom
	}
}

func TestBrokenListenerIsAFailureThatWaitsForHandlers(t *testing.T) {
	for name, panics := range map[string]bool{"error": false, "panic": true} {
		t.Run(name, func(t *testing.T) {
			came, stopping, cancelled, release := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
			var b *broken
			s := grpcserver.New(grpcserver.Spec{
				Addr: loopback,
				Register: unary(func(ctx context.Context) (string, error) {
					close(came)
					<-grpcserver.Stopping(ctx)
					close(stopping)
					<-ctx.Done()
					close(cancelled)
					<-release
					return "", ctx.Err()
				}),
				Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
					ln, err := new(net.ListenConfig).Listen(ctx, network, address)
					if err != nil || b != nil {
						return ln, err
					}
					b = breakable(ln)
					b.panics = panics
					return b, nil
				},
			})
			root := start(t, s, child.Spec{})
			failed := events(t, root, supervisor.EventFailed)
			unready := events(t, root, supervisor.EventUnready)
			ready := events(t, root, supervisor.EventReady)
			answer := make(chan error, 1)
			conn := client(t, s)
			go func() {
				_, err := call(soon(t), conn)
				answer <- err
			}()
			next(t, came)
			close(b.fail)
			next(t, stopping)
			next(t, cancelled)
			require.Equal(t, codes.Unavailable, status.Code(next(t, answer)))
			require.Empty(t, failed, "it waits for the handler")
			if !panics {
				require.ErrorIs(t, next(t, unready).Err, errBoom)
				require.ErrorIs(t, root.Health(), errBoom)
			}
			close(release)
			require.ErrorIs(t, next(t, failed).Err, errBoom)
			require.Empty(t, unready)
			next(t, ready)
		})
	}
}

func TestAHandlerThatDoesNotReturnDelaysTheRestartByTheStopTimeout(t *testing.T) {
	came, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var b *broken
	s := grpcserver.New(grpcserver.Spec{
		Addr: loopback,
		Register: unary(func(context.Context) (string, error) {
			close(came)
			<-release
			close(left)
			return "", nil
		}),
		Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
			ln, err := new(net.ListenConfig).Listen(ctx, network, address)
			if err != nil || b != nil {
				return ln, err
			}
			b = breakable(ln)
			return b, nil
		},
	})
	root := start(t, s, child.Spec{StopTimeout: 100 * time.Millisecond})
	said := events(t, root, supervisor.EventError, supervisor.EventFailed, supervisor.EventReady)
	conn := client(t, s)
	answer := make(chan error, 1)
	go func() {
		_, err := call(soon(t), conn)
		answer <- err
	}()
	next(t, came)
	close(b.fail)
	require.Equal(t, codes.Unavailable, status.Code(next(t, answer)))
	require.ErrorContains(t, next(t, said).Err, "handlers that still run 100ms after the server failed: 1")
	require.ErrorIs(t, next(t, said).Err, errBoom)
	require.Equal(t, supervisor.EventReady, next(t, said).Kind)
	close(release)
	next(t, left)
}

// Handlers that wait for Stopping, and clients that watch the health, must not hold up the
// GracefulStop of other code.
func TestStopByOtherCodeEndsStreams(t *testing.T) {
	servers, came := make(chan *grpc.Server, 1), make(chan struct{})
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: func(ctx child.Context, srv *grpc.Server) error {
		servers <- srv
		return with(&service{duplex: func(stream testServer) error {
			close(came)
			<-grpcserver.Stopping(stream.Context())
			return nil
		}})(ctx, srv)
	}})
	root := start(t, s, child.Spec{Restart: child.Transient})
	completed := events(t, root, supervisor.EventCompleted)
	conn := client(t, s)
	stream := open(t, conn, came)
	said, _ := watch(t, conn, "")
	require.Equal(t, serving, next(t, said))
	next(t, servers).GracefulStop()
	_, err := stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, notServing, next(t, said))
	require.NoError(t, next(t, completed).Err)
}

func TestStopByOtherCodeIsNotAFailure(t *testing.T) {
	for name, stop := range map[string]func(*grpc.Server){"GracefulStop": (*grpc.Server).GracefulStop, "Stop": (*grpc.Server).Stop} {
		t.Run(name, func(t *testing.T) {
			servers := make(chan *grpc.Server, 1)
			s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: func(ctx child.Context, srv *grpc.Server) error {
				servers <- srv
				return says("hi")(ctx, srv)
			}})
			root := start(t, s, child.Spec{Restart: child.Transient})
			notified := events(t, root, supervisor.EventFailed, supervisor.EventCompleted, supervisor.EventUnready)
			require.Equal(t, "hi", mustCall(t, client(t, s)))
			stop(next(t, servers))
			e := next(t, notified)
			require.Equal(t, supervisor.EventUnready, e.Kind)
			require.ErrorIs(t, e.Err, grpc.ErrServerStopped)
			e = next(t, notified)
			require.Equal(t, supervisor.EventCompleted, e.Kind)
			require.NoError(t, e.Err)
		})
	}
}

type key struct{}

func TestCallsHaveTheValuesOfTheChildsContext(t *testing.T) {
	describe := func(ctx context.Context) string {
		sup, _ := supervisor.FromContext(ctx)
		return child.FromContext(ctx).Path() + " of " + sup.Path() + ", " + ctx.Value(key{}).(string)
	}
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: with(&service{
		unary: func(ctx context.Context) (string, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return describe(ctx), nil
		},
		duplex: func(stream testServer) error { return status.Error(codes.Aborted, describe(stream.Context())) },
	})})
	root := launch(t, s, child.Spec{})
	require.NoError(t, root.Start(context.WithValue(soon(t), key{}, "value")))
	conn := client(t, s)
	const want = "/root/api of /root, value"
	require.Equal(t, want, mustCall(t, conn))
	stream, err := testClient(conn).FullDuplexCall(soon(t))
	require.NoError(t, err)
	_, err = stream.Recv()
	require.ErrorContains(t, err, want)
}

// The deadline and the end of a call are those of the client.
func TestCallEndsWithItsClient(t *testing.T) {
	l := newLatch()
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: unary(l.wait)})
	start(t, s, child.Spec{})
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	conn := client(t, s)
	answer := make(chan error, 1)
	go func() {
		_, err := call(ctx, conn)
		answer <- err
	}()
	next(t, l.came)
	cancel()
	next(t, l.left)
	require.Equal(t, codes.Canceled, status.Code(next(t, answer)))
}

func TestPanicInAHandlerEndsOnlyItsCall(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: with(&service{
		unary:  func(context.Context) (string, error) { panic("a secret") },
		duplex: func(testServer) error { panic(errBoom) },
	})})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	reported := events(t, root, supervisor.EventError)
	conn := client(t, s)
	_, err := call(soon(t), conn)
	require.Equal(t, codes.Internal, status.Code(err))
	require.NotContains(t, err.Error(), "secret")
	e := next(t, reported)
	require.EqualError(t, e.Err, "grpcserver: /grpc.testing.TestService/UnaryCall: panic: a secret")
	var panicked *child.PanicError
	require.ErrorAs(t, e.Err, &panicked)
	require.Contains(t, string(panicked.Stack()), "TestPanicInAHandlerEndsOnlyItsCall")

	stream, err := testClient(conn).FullDuplexCall(soon(t))
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, codes.Internal, status.Code(err))
	require.ErrorIs(t, next(t, reported).Err, errBoom)
	st, _ := root.Lookup("api")
	require.Zero(t, st.Restarts)
	require.NoError(t, root.Stop(context.Background()))
}

// The panic of an interceptor is that of its handler.
func TestPanicInAnInterceptorEndsOnlyItsCall(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi"), Options: func(child.Context) ([]grpc.ServerOption, error) {
		return []grpc.ServerOption{grpc.ChainUnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) { panic(errBoom) })}, nil
	}})
	start(t, s, child.Spec{})
	_, err := call(soon(t), client(t, s))
	require.Equal(t, codes.Internal, status.Code(err))
}

func TestPassPanicsCrashesTheProcess(t *testing.T) {
	if os.Getenv("CRASH") != "" {
		s := grpcserver.New(grpcserver.Spec{Addr: loopback, PassPanics: true, Register: unary(func(context.Context) (string, error) { panic("crash now") })})
		start(t, s, child.Spec{})
		_, _ = call(soon(t), client(t, s))
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPassPanicsCrashesTheProcess$")
	cmd.Env = append(os.Environ(), "CRASH=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "panic: crash now")
}

// Nothing can answer such a call, but the stop does not hang.
func TestHandlerThatCallsGoexitIsCutOff(t *testing.T) {
	t.Parallel()
	came := make(chan struct{})
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: unary(func(context.Context) (string, error) {
		close(came)
		runtime.Goexit()
		return "", nil
	})})
	root := start(t, s, child.Spec{StopTimeout: shortStop})
	stopped := events(t, root, supervisor.EventStopped, supervisor.EventAbandoned)
	conn := client(t, s)
	answer := make(chan error, 1)
	go func() {
		_, err := call(soon(t), conn)
		answer <- err
	}()
	next(t, came)
	require.NoError(t, root.Stop(context.Background()), "the handler has ended")
	require.Equal(t, supervisor.EventStopped, next(t, stopped).Kind)
	require.Equal(t, codes.Unavailable, status.Code(next(t, answer)))
}

// Tests of handlers may run a Server without a supervisor.
func TestRunWithoutASupervisor(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(child.FromContext(ctx)) }()
	conn := client(t, s)
	require.Equal(t, "hi", mustCall(t, conn))
	require.Equal(t, serving, check(t, conn, ""))
	cancel()
	require.NoError(t, next(t, ended))
}
