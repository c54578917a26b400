package grpcserver_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/supervisor"
)

// A server as a child. A client asks for its health.
func Example() {
	ctx := context.Background()
	api := grpcserver.New(grpcserver.Spec{
		Addr: "127.0.0.1:0", // usually ":9090"
		Register: func(ctx child.Context, srv *grpc.Server) error {
			reflection.Register(srv) // and shoppb.RegisterShopServer(srv, shop)
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Backoff:  child.Exponential(100*time.Millisecond, 10*time.Second),
		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
	})
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	addr, _ := api.Addr.Get(ctx)
	conn, err := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	fmt.Println(resp.GetStatus(), err)
	fmt.Println(root.Stop(ctx))
	// Output:
	// SERVING <nil>
	// <nil>
}

// Without a supervisor, a server stops when its context ends.
func ExampleServer_Run() {
	api := grpcserver.New(grpcserver.Spec{
		Addr:     "127.0.0.1:0",
		Register: func(child.Context, *grpc.Server) error { return nil },
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- api.Run(child.FromContext(ctx)) }()
	addr, _ := api.Addr.Get(ctx)
	fmt.Println(addr.Network())
	stop()
	fmt.Println(<-ended)
	// Output:
	// tcp
	// <nil>
}
