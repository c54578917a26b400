package grpcserver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

const (
	serving    = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
	unknown    = healthpb.HealthCheckResponse_SERVICE_UNKNOWN

	testService = "grpc.testing.TestService"
)

// watch sends what Watch says to a channel, and then its error to another.
func watch(t *testing.T, conn grpc.ClientConnInterface, name string) (<-chan healthpb.HealthCheckResponse_ServingStatus, <-chan error) {
	t.Helper()
	stream, err := healthpb.NewHealthClient(conn).Watch(soon(t), &healthpb.HealthCheckRequest{Service: name})
	require.NoError(t, err)
	said, ended := make(chan healthpb.HealthCheckResponse_ServingStatus, 100), make(chan error, 1)
	go func() {
		for {
			resp, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			said <- resp.GetStatus()
		}
	}()
	return said, ended
}

// A moody child is ready, or not, as it is ordered to be.
type moody chan error

func (m moody) run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		select {
		case err := <-m:
			if err == nil {
				if err := ctx.Ready(); err != nil {
					return err
				}
			} else {
				ctx.Unready(err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func TestHealthIsThatOfTheTree(t *testing.T) {
	db, debug := make(moody), make(moody)
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi"), Optional: []string{"debug/"}})
	root := start(t, s, child.Spec{}, child.Spec{Name: "db", Run: db.run}, child.Spec{Name: "debug", Run: debug.run})
	conn := client(t, s)
	for _, name := range []string{"", testService, "grpc.health.v1.Health"} {
		require.Equal(t, serving, check(t, conn, name))
	}
	said, _ := watch(t, conn, testService)
	require.Equal(t, serving, next(t, said))
	changed := events(t, root, supervisor.EventReady, supervisor.EventUnready)
	for range 3 {
		debug <- errBoom
		next(t, changed)
		require.Equal(t, serving, check(t, conn, ""), "debug is optional")
		db <- errBoom
		next(t, changed)
		require.Equal(t, notServing, check(t, conn, ""))
		require.Equal(t, notServing, next(t, said))
		db <- nil
		next(t, changed)
		require.Equal(t, serving, check(t, conn, testService))
		require.Equal(t, serving, next(t, said))
		debug <- nil
		next(t, changed)
	}
	require.NoError(t, root.StopChild(soon(t), "db"))
	require.Equal(t, notServing, next(t, said))
}

func TestHealthOfAnUnknownService(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	conn := client(t, s)
	_, err := healthpb.NewHealthClient(conn).Check(soon(t), &healthpb.HealthCheckRequest{Service: "none"})
	require.Equal(t, codes.NotFound, status.Code(err))
	said, ended := watch(t, conn, "none")
	require.Equal(t, unknown, next(t, said))
	require.NoError(t, root.Stop(soon(t)), "it does not delay the stop")
	require.Equal(t, codes.Unavailable, status.Code(next(t, ended)))
	require.Empty(t, said)
}

func TestHealthListsAllServices(t *testing.T) {
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	start(t, s, child.Spec{})
	resp, err := healthpb.NewHealthClient(client(t, s)).List(soon(t), &healthpb.HealthListRequest{})
	require.NoError(t, err)
	require.Len(t, resp.GetStatuses(), 3)
	for _, name := range []string{"", testService, "grpc.health.v1.Health"} {
		require.Equal(t, serving, resp.GetStatuses()[name].GetStatus())
	}
}

// The server says so first, and ends the streams when the drain is over.
func TestWatchSaysNotServingAndDoesNotDelayTheStop(t *testing.T) {
	t.Parallel()
	for name, drain := range map[string]time.Duration{"no drain": 0, "drain": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi"), Drain: drain})
			root := start(t, s, child.Spec{StopTimeout: child.Forever})
			conn := client(t, s)
			said, ended := watch(t, conn, "")
			require.Equal(t, serving, next(t, said))
			began := time.Now()
			stopped := make(chan error, 1)
			go func() { stopped <- root.Stop(context.Background()) }()
			require.Equal(t, notServing, next(t, said))
			require.Equal(t, codes.Unavailable, status.Code(next(t, ended)))
			require.GreaterOrEqual(t, time.Since(began), drain)
			require.NoError(t, next(t, stopped))
			require.Empty(t, said)
		})
	}
}

// The drain of the root begins before any child is asked to stop.
func TestHealthSaysNotServingWhileTheRootDrains(t *testing.T) {
	t.Parallel()
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	root := testkit.Root(t, supervisor.Spec{Drain: time.Hour, Children: []child.Spec{{Name: "api", Run: s.Run}}})
	require.NoError(t, root.Start(soon(t)))
	said, _ := watch(t, client(t, s), "")
	require.Equal(t, serving, next(t, said))
	stopping := events(t, root, supervisor.EventStopping)
	stopped := make(chan error, 1)
	ctx, endDrain := context.WithCancel(context.Background())
	defer endDrain()
	go func() { stopped <- root.Stop(ctx) }()
	require.Equal(t, notServing, next(t, said))
	require.Empty(t, stopping)
	endDrain()
	require.NoError(t, next(t, stopped))
}

// While the root stops, Health may name optional children only.
func TestHealthSaysNotServingWhileTheTreeStops(t *testing.T) {
	release := make(chan struct{})
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi"), Optional: []string{"debug"}})
	root := start(t, s, child.Spec{}, child.Spec{Name: "debug", StopTimeout: child.Forever, Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		<-release
		return nil
	}})
	conn := client(t, s)
	require.Equal(t, serving, check(t, conn, ""))
	stopping := events(t, root, supervisor.EventStopping)
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	require.Equal(t, "/root/debug", next(t, stopping).Path)
	require.Equal(t, notServing, check(t, conn, ""))
	close(release)
	require.NoError(t, next(t, stopped))
}

func TestOwnHealthServiceIsKept(t *testing.T) {
	own := health.NewServer()
	own.SetServingStatus("mine", notServing)
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: func(_ child.Context, srv *grpc.Server) error {
		healthpb.RegisterHealthServer(srv, own)
		return nil
	}})
	start(t, s, child.Spec{})
	require.Equal(t, notServing, check(t, client(t, s), "mine"))
}

// Clients that check the health of two servers send their calls to the other one while one
// drains.
func TestRollingRestartLosesNoCall(t *testing.T) {
	t.Parallel()
	h := new(hammer)
	var roots []*supervisor.Supervisor
	var addresses []resolver.Address
	for range 2 {
		ln := listen(t) // so that the address stays the same
		s := grpcserver.New(grpcserver.Spec{Listener: ln, Register: unary(h.handle), Drain: 300 * time.Millisecond})
		roots = append(roots, start(t, s, child.Spec{StopTimeout: child.Forever}))
		addresses = append(addresses, resolver.Address{Addr: ln.Addr().String()})
	}
	servers := manual.NewBuilderWithScheme("both")
	servers.InitialState(resolver.State{Addresses: addresses})
	h.start(t, dial(t, "both:///", grpc.WithResolvers(servers),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin":{}}], "healthCheckConfig": {"serviceName": ""}}`)))
	for range 2 {
		for _, root := range roots {
			h.until(t, 200)
			require.NoError(t, root.RestartChild(soon(t), "api"))
		}
	}
	h.until(t, 200)
	h.end(t)
	require.Zero(t, h.failed.Load())
}

// Many streams, and a tree in turmoil: every stream ends up with the last status.
func TestWatchOfATreeInTurmoilSettles(t *testing.T) {
	db := make(moody)
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	start(t, s, child.Spec{}, child.Spec{Name: "db", Run: db.run})
	conn := client(t, s)
	var all []<-chan healthpb.HealthCheckResponse_ServingStatus
	for i := range 50 {
		said, _ := watch(t, conn, "")
		all = append(all, said)
		if i%2 == 0 {
			db <- errors.New("away")
		} else {
			db <- nil
		}
	}
	db <- errBoom
	for _, said := range all {
		for last := unknown; last != notServing || len(said) > 0; {
			last = next(t, said)
		}
	}
	db <- nil
	for _, said := range all {
		for next(t, said) != serving {
			continue
		}
	}
}

// Without a supervisor, too, the server says so at the beginning of the drain.
func TestWatchSaysNotServingBeforeTheDrain(t *testing.T) {
	t.Parallel()
	s := grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi"), Drain: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(child.FromContext(ctx)) }()
	conn := client(t, s)
	said, _ := watch(t, conn, "")
	require.Equal(t, serving, next(t, said))
	cancel()
	require.Equal(t, notServing, next(t, said))
	require.Equal(t, "hi", mustCall(t, conn), "it serves on for half of the grace")
	require.NoError(t, next(t, ended))
}
