package grpcserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMain(m *testing.M) {
	if os.Getenv("CRASH") != "" {
		os.Exit(m.Run())
	}
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	goleak.VerifyTestMain(m)
}

const loopback = "127.0.0.1:0"

var (
	errBoom    = errors.New("boom")
	events     = testkit.Events
	socketFile = testkit.SocketFile
)

// soon returns a context for things that must happen quickly.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A service is a test service whose methods are functions.
type service struct {
	testgrpc.UnimplementedTestServiceServer
	unary func(ctx context.Context) (string, error)
	duplex
}

type duplex func(stream grpc.BidiStreamingServer[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]) error

func (s *service) UnaryCall(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	text, err := s.unary(ctx)
	return &testgrpc.SimpleResponse{Username: text}, err
}

func (s *service) FullDuplexCall(stream grpc.BidiStreamingServer[testgrpc.StreamingOutputCallRequest, testgrpc.StreamingOutputCallResponse]) error {
	return s.duplex(stream)
}

// with registers a service.
func with(s *service) func(child.Context, *grpc.Server) error {
	return func(_ child.Context, srv *grpc.Server) error {
		testgrpc.RegisterTestServiceServer(srv, s)
		return nil
	}
}

func unary(f func(ctx context.Context) (string, error)) func(child.Context, *grpc.Server) error {
	return with(&service{unary: f})
}

func says(text string) func(child.Context, *grpc.Server) error {
	return unary(func(context.Context) (string, error) { return text, nil })
}

// start runs a server as the child "api" of a root, with the given spec. It sets Name and
// Run.
func start(t *testing.T, s *grpcserver.Server, c child.Spec, siblings ...child.Spec) *supervisor.Supervisor {
	t.Helper()
	root := launch(t, s, c, siblings...)
	require.NoError(t, root.Start(soon(t)))
	return root
}

func launch(t *testing.T, s *grpcserver.Server, c child.Spec, siblings ...child.Spec) *supervisor.Supervisor {
	c.Name, c.Run = "api", s.Run
	return testkit.Root(t, supervisor.Spec{
		Backoff:  child.Constant(time.Millisecond),
		Children: append([]child.Spec{c}, siblings...),
	})
}

func addr(t *testing.T, s *grpcserver.Server) string {
	t.Helper()
	at, err := s.Addr.Get(soon(t))
	require.NoError(t, err)
	return at.String()
}

// dial makes a client of a target such as "unix:/path" or "127.0.0.1:80". It is closed at
// the end of the test.
func dial(t *testing.T, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient(target, options...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func client(t *testing.T, s *grpcserver.Server) *grpc.ClientConn {
	t.Helper()
	return dial(t, addr(t, s))
}

func call(ctx context.Context, conn grpc.ClientConnInterface, options ...grpc.CallOption) (string, error) {
	resp, err := testgrpc.NewTestServiceClient(conn).UnaryCall(ctx, &testgrpc.SimpleRequest{}, options...)
	return resp.GetUsername(), err
}

func mustCall(t *testing.T, conn grpc.ClientConnInterface) string {
	t.Helper()
	text, err := call(soon(t), conn)
	require.NoError(t, err)
	return text
}

// open opens a stream and waits until its handler is running.
func open(t *testing.T, conn grpc.ClientConnInterface, came <-chan struct{}) testgrpc.TestService_FullDuplexCallClient {
	t.Helper()
	stream, err := testgrpc.NewTestServiceClient(conn).FullDuplexCall(soon(t))
	require.NoError(t, err)
	next(t, came)
	return stream
}

func check(t *testing.T, conn grpc.ClientConnInterface, name string) healthpb.HealthCheckResponse_ServingStatus {
	t.Helper()
	resp, err := healthpb.NewHealthClient(conn).Check(soon(t), &healthpb.HealthCheckRequest{Service: name})
	require.NoError(t, err)
	return resp.GetStatus()
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	return testkit.Next(soon(t), t, c)
}

// A latch is a handler that waits until let is closed or its call ends.
type latch struct{ came, left, let chan struct{} }

func newLatch() *latch {
	return &latch{make(chan struct{}, 100), make(chan struct{}, 100), make(chan struct{})}
}

func (l *latch) wait(ctx context.Context) (string, error) {
	defer func() { l.left <- struct{}{} }()
	l.came <- struct{}{}
	select {
	case <-l.let:
		return "done", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// listen listens on a port of its own until the end of the test.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}
