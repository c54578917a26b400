package grpcserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/supervisor"
)

// Each run has a new server, with options and services of its own.
func ExampleSpec() {
	ctx := context.Background()
	api := grpcserver.New(grpcserver.Spec{
		Addr: "127.0.0.1:0",
		Options: func(ctx child.Context) ([]grpc.ServerOption, error) {
			// Certificates would be loaded here, for grpc.Creds.
			log := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				fmt.Println(info.FullMethod, "in", child.FromContext(ctx).Path())
				return next(ctx, req)
			}
			return []grpc.ServerOption{grpc.ChainUnaryInterceptor(log)}, nil
		},
		Register: func(ctx child.Context, srv *grpc.Server) error {
			fmt.Println("restarts:", ctx.Restarts())
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: api.Run}},
	})
	_ = root.Start(ctx)
	addr, _ := api.Addr.Get(ctx)
	conn, _ := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer conn.Close()
	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	fmt.Println(resp.GetStatus(), err)
	fmt.Println(root.Stop(ctx))
	// Output:
	// restarts: 0
	// /grpc.health.v1.Health/Check in /shop/api
	// SERVING <nil>
	// <nil>
}

// A given listener, for example from systemd or a test, serves every run and stays open. A
// call that waits for a connection is not lost in a restart.
func ExampleSpec_listener() {
	ctx := context.Background()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	api := grpcserver.New(grpcserver.Spec{
		Listener: ln,
		Register: func(child.Context, *grpc.Server) error { return nil },
	})
	root := supervisor.New(supervisor.Spec{
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: api.Run}},
	})
	_ = root.Start(ctx)
	conn, _ := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer conn.Close()
	for range 2 {
		resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
		fmt.Println(resp.GetStatus(), err)
		fmt.Println(root.RestartChild(ctx, "api"))
	}
	fmt.Println(root.Stop(ctx))
	// Output:
	// SERVING <nil>
	// <nil>
	// SERVING <nil>
	// <nil>
	// <nil>
}

// A server on a unix socket, as plugins of Kubernetes have it. Listen limits which users may connect.
func ExampleSpec_network() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "api.sock")
	api := grpcserver.New(grpcserver.Spec{
		Network: "unix",
		Addr:    path,
		Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
			ln, err := new(net.ListenConfig).Listen(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return ln, os.Chmod(address, 0o600)
		},
		Register: func(child.Context, *grpc.Server) error { return nil },
	})
	root := supervisor.New(supervisor.Spec{
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: api.Run}},
	})
	_ = root.Start(ctx)
	conn, _ := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer conn.Close()
	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	fmt.Println(resp.GetStatus(), err)
	fmt.Println(root.Stop(ctx))
	// Output:
	// SERVING <nil>
	// <nil>
}

// While a server drains, it says that it is not serving, and serves on.
func ExampleSpec_drain() {
	ctx := context.Background()
	api := grpcserver.New(grpcserver.Spec{
		Addr:     "127.0.0.1:0",
		Register: func(child.Context, *grpc.Server) error { return nil },
		Drain:    50 * time.Millisecond, // some seconds, in a cluster
	})
	root := supervisor.New(supervisor.Spec{
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
	})
	_ = root.Start(ctx)
	addr, _ := api.Addr.Get(ctx)
	conn, _ := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer conn.Close()
	watch, _ := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
	resp, err := watch.Recv()
	fmt.Println(resp.GetStatus(), err)

	fmt.Println("stopped:", root.Stop(ctx))
	resp, err = watch.Recv()
	fmt.Println(resp.GetStatus(), err)
	_, err = watch.Recv()
	fmt.Println(status.Code(err))
	// Output:
	// SERVING <nil>
	// stopped: <nil>
	// NOT_SERVING <nil>
	// Unavailable
}

// Health is that of the tree. A child that is optional does not count.
func ExampleSpec_optional() {
	ctx := context.Background()
	api := grpcserver.New(grpcserver.Spec{
		Addr:     "127.0.0.1:0",
		Register: func(child.Context, *grpc.Server) error { return nil },
		Optional: []string{"mail"},
	})
	down := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		ctx.Unready(errors.New("connection refused"))
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: api.Run}, {Name: "mail", Run: down}},
	})
	_ = root.Start(ctx)
	addr, _ := api.Addr.Get(ctx)
	conn, _ := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer conn.Close()
	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	fmt.Println(resp.GetStatus(), err)
	fmt.Println(root.Stop(ctx))
	// Output:
	// SERVING <nil>
	// <nil>
}

// A panic ends its call and is reported. With PassPanics it crashes the process.
func ExampleSpec_passPanics() {
	const passPanics = false // with true this example would crash
	ctx := context.Background()
	api := grpcserver.New(grpcserver.Spec{
		Addr:       "127.0.0.1:0",
		PassPanics: passPanics,
		Options: func(child.Context) ([]grpc.ServerOption, error) {
			return []grpc.ServerOption{grpc.ChainUnaryInterceptor(
				func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) { panic("broken") },
			)}, nil
		},
		Register: func(child.Context, *grpc.Server) error { return nil },
	})
	root := supervisor.New(supervisor.Spec{
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: api.Run}},
	})
	_ = root.Start(ctx)
	addr, _ := api.Addr.Get(ctx)
	conn, _ := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer conn.Close()
	_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	fmt.Println("client:", err)
	st, _ := root.Lookup("api")
	fmt.Println("child:", st.LastError)
	fmt.Println(root.Stop(ctx))
	// Output:
	// client: rpc error: code = Internal desc = the handler has panicked
	// child: grpcserver: /grpc.health.v1.Health/Check: panic: broken
	// <nil>
}
