package grpcserver_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// shortStop is a stop timeout for tests in which the grace must end.
const shortStop = 3 * time.Second

type testServer = grpc.BidiStreamingServer[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]

func testClient(conn grpc.ClientConnInterface) testgrpc.TestServiceClient {
	return testgrpc.NewTestServiceClient(conn)
}

func TestCallsInFlightEndInPeace(t *testing.T) {
	const clients = 8
	l := newLatch()
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: unary(l.wait)})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	at := addr(t, s)
	texts := make(chan string, clients)
	for range clients {
		conn := dial(t, at)
		go func() {
			text, err := call(soon(t), conn)
			if err != nil {
				text = err.Error()
			}
			texts <- text
		}()
	}
	for range clients {
		next(t, l.came)
	}
	testkit.RequireStopWaits(soon(t), t, root, func() { close(l.let) })
	for range clients {
		require.Equal(t, "done", next(t, texts))
	}
	_, err := call(soon(t), dial(t, at))
	require.Equal(t, codes.Unavailable, status.Code(err), "the listener is closed")
}

// A stream in flight goes on, in both directions, until it ends.
func TestStreamInFlightEndsInPeace(t *testing.T) {
	came, stopping := make(chan struct{}), make(chan struct{})
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: with(&service{duplex: func(stream testServer) error {
		close(came)
		<-grpcserver.Stopping(stream.Context())
		close(stopping)
		for {
			if _, err := stream.Recv(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
				return err
			}
		}
	}})})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	stream := open(t, client(t, s), came)
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	next(t, stopping)
	for range 100 {
		require.NoError(t, stream.Send(&testgrpc.StreamingOutputCallRequest{}))
		_, err := stream.Recv()
		require.NoError(t, err)
	}
	require.NoError(t, stream.CloseSend())
	_, err := stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, next(t, stopped))
}

func TestStreamThatWatchesStoppingDoesNotDelayTheStop(t *testing.T) {
	came := make(chan struct{}, 1)
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: with(&service{duplex: func(stream testServer) error {
		came <- struct{}{}
		select {
		case <-grpcserver.Stopping(stream.Context()):
			return status.Error(codes.Unavailable, "bye")
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}})})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	for range 3 { // each run has its own channel
		stream := open(t, client(t, s), came)
		require.NoError(t, root.RestartChild(soon(t), "api"))
		_, err := stream.Recv()
		require.ErrorContains(t, err, "bye")
	}
	require.NoError(t, root.Stop(context.Background()))
}

func TestStoppingWithoutAServerIsNil(t *testing.T) {
	require.Nil(t, grpcserver.Stopping(context.Background()))
	var none context.Context
	require.Nil(t, grpcserver.Stopping(none))
}

// A stream that never ends, and one whose client reads nothing.
func TestStreamsThatDoNotEndAreCutOffInTime(t *testing.T) {
	t.Parallel()
	came, left := make(chan struct{}, 2), make(chan struct{}, 2)
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: with(&service{
		unary: func(context.Context) (string, error) { return "hi", nil },
		duplex: func(stream testServer) error {
			defer func() { left <- struct{}{} }()
			first, err := stream.Recv()
			if err != nil {
				return err
			}
			came <- struct{}{}
			if first.GetPayload() == nil {
				<-stream.Context().Done()
				return stream.Context().Err()
			}
			big := &testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: make([]byte, 1<<20)}}
			for {
				if err := stream.Send(big); err != nil {
					return err
				}
			}
		},
	})})
	root := start(t, s, child.Spec{StopTimeout: shortStop})
	stopped := events(t, root, supervisor.EventStopped, supervisor.EventAbandoned)
	endless, err := testClient(client(t, s)).FullDuplexCall(soon(t))
	require.NoError(t, err)
	require.NoError(t, endless.Send(&testgrpc.StreamingOutputCallRequest{}))
	deaf, err := testClient(client(t, s)).FullDuplexCall(soon(t))
	require.NoError(t, err)
	require.NoError(t, deaf.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{}}))
	next(t, came)
	next(t, came)
	var cut *supervisor.StopError
	require.ErrorAs(t, root.Stop(context.Background()), &cut)
	require.Empty(t, cut.Abandoned, "it was not abandoned")
	require.Len(t, cut.Unclean, 1)
	e := next(t, stopped)
	require.Equal(t, supervisor.EventStopped, e.Kind)
	require.ErrorIs(t, e.Err, context.DeadlineExceeded)
	require.ErrorContains(t, e.Err, "cut off")
	require.Len(t, left, 2, "Run waits for the handlers")
	_, err = endless.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err))
}

func TestRunWhoseHandlerDoesNotReturnIsAbandoned(t *testing.T) {
	t.Parallel()
	came, release := make(chan struct{}), make(chan struct{})
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: unary(func(context.Context) (string, error) {
		close(came)
		<-release
		return "", nil
	})})
	root := start(t, s, child.Spec{StopTimeout: 100 * time.Millisecond})
	late := events(t, root, supervisor.EventLateExit)
	conn := client(t, s)
	go func() { _, _ = call(soon(t), conn) }()
	next(t, came)
	var stop *supervisor.StopError
	require.ErrorAs(t, root.Stop(context.Background()), &stop)
	require.Len(t, stop.Abandoned, 1)
	require.Equal(t, "/root/api", stop.Abandoned[0].Path)
	close(release)
	next(t, late)
}

// hammer calls the server from several goroutines until halt, and counts the answers. An
// error ends it unless accept says that it may happen.
type hammer struct {
	done, answered, failed atomic.Int64
	halt                   chan struct{}
	group                  sync.WaitGroup
}

func (h *hammer) start(t *testing.T, conn grpc.ClientConnInterface, options ...grpc.CallOption) {
	h.halt = make(chan struct{})
	for range 8 {
		h.group.Go(func() {
			for {
				select {
				case <-h.halt:
					return
				default:
				}
				if _, err := call(soon(t), conn, options...); err == nil {
					h.answered.Add(1)
				} else {
					h.failed.Add(1)
				}
			}
		})
	}
}

func (h *hammer) handle(context.Context) (string, error) {
	h.done.Add(1)
	return "", nil
}

// until waits until n more calls were answered.
func (h *hammer) until(t *testing.T, n int64) {
	t.Helper()
	for want, ctx := h.answered.Load()+n, soon(t); h.answered.Load() < want; {
		require.NoError(t, ctx.Err())
		_ = child.Sleep(ctx, time.Millisecond)
	}
}

// end ends the calls. Each one that has reached a handler must have been answered.
func (h *hammer) end(t *testing.T) {
	t.Helper()
	close(h.halt)
	h.group.Wait()
	require.Equal(t, h.done.Load(), h.answered.Load())
}

// Each call that has reached a handler is answered, although the server is stopped
// meanwhile.
func TestStopUnderLoadLosesNoCallThatWasHandled(t *testing.T) {
	h := new(hammer)
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: unary(h.handle)})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	h.start(t, client(t, s))
	h.until(t, 200)
	require.NoError(t, root.Stop(context.Background()))
	h.end(t)
}

// With a listener that stays open, calls that wait for a connection lose nothing over
// restarts.
func TestRestartsUnderLoadLoseNoCall(t *testing.T) {
	h := new(hammer)
	ln := listen(t)
	s := grpcserver.New(grpcserver.Spec{Listener: ln, Register: unary(h.handle)})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	h.start(t, dial(t, ln.Addr().String()), grpc.WaitForReady(true))
	for range 5 {
		h.until(t, 100)
		require.NoError(t, root.RestartChild(soon(t), "api"))
	}
	h.until(t, 100)
	h.end(t)
	require.Zero(t, h.failed.Load())
}

// Without help, both GracefulStop and Stop would wait for two minutes.
func TestConnectionsThatSayNothingDoNotDelayTheStop(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	silent, err := net.Dial("tcp", addr(t, s))
	require.NoError(t, err)
	defer silent.Close()
	// The server greets first, so it has accepted the connection.
	_, err = silent.Read(make([]byte, 9))
	require.NoError(t, err)
	require.Equal(t, "hi", mustCall(t, client(t, s)), "an idle connection does not delay it either")
	require.NoError(t, root.Stop(soon(t)))
	_, err = io.Copy(io.Discard, silent)
	require.NoError(t, err, "the server has closed it")
}

func TestHandshakeThatStallsIsCutOffInTime(t *testing.T) {
	t.Parallel()
	path := socketFile(t)
	for name, c := range map[string]struct {
		spec grpcserver.Spec
		says string
	}{
		"tcp, after half of the preface": {grpcserver.Spec{Addr: loopback}, "PRI * HTTP"},
		"unix, before the first byte":    {grpcserver.Spec{Addr: path, Network: "unix"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLatch()
			c.spec.Register = unary(l.wait)
			s := grpcserver.New(c.spec)
			root := start(t, s, child.Spec{StopTimeout: shortStop})
			stopped := events(t, root, supervisor.EventStopped, supervisor.EventAbandoned)
			at, _ := s.Addr.Load()
			stalled, err := net.Dial(at.Network(), at.String())
			require.NoError(t, err)
			defer stalled.Close()
			_, err = io.WriteString(stalled, c.says)
			require.NoError(t, err)
			_, err = stalled.Read(make([]byte, 9))
			require.NoError(t, err)
			require.NoError(t, root.Stop(context.Background()), "no call was cut off")
			require.Equal(t, supervisor.EventStopped, next(t, stopped).Kind)
		})
	}
}

func TestWhileDrainingItServesOn(t *testing.T) {
	t.Parallel()
	const drain = 500 * time.Millisecond
	stopping := make(chan struct{})
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Drain: drain, Register: unary(func(ctx context.Context) (string, error) {
		select {
		case <-grpcserver.Stopping(ctx):
			return "stopping", nil
		default:
			return "serving", nil
		}
	})})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	at := addr(t, s)
	old := dial(t, at)
	require.Equal(t, "serving", mustCall(t, old))
	t.Cleanup(root.Subscribe(func(supervisor.Event) { close(stopping) }, supervisor.EventStopping))
	began := time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	next(t, stopping)
	fresh, err := call(soon(t), dial(t, at))
	if time.Since(began) < drain { // otherwise the machine was too slow for this check
		require.NoError(t, err)
		require.Contains(t, []string{"serving", "stopping"}, fresh, "a new connection is served")
	}
	require.NoError(t, next(t, stopped))
	require.GreaterOrEqual(t, time.Since(began), drain)
}

// A drain that is longer than the stop timeout still leaves time for the calls.
func TestDrainTakesAtMostHalfOfTheGrace(t *testing.T) {
	t.Parallel()
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Drain: time.Hour, Register: says("hi")})
	root := start(t, s, child.Spec{StopTimeout: 4 * time.Second})
	began := time.Now()
	require.NoError(t, root.Stop(context.Background()))
	require.GreaterOrEqual(t, time.Since(began), 1700*time.Millisecond)
	require.Less(t, time.Since(began), 3500*time.Millisecond)
}
