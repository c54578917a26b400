package grpcserver_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/supervisor"
)

type prices struct {
	testgrpc.UnimplementedTestServiceServer
}

// StreamingOutputCall sends prices until the client leaves or the server stops.
func (prices) StreamingOutputCall(_ *testgrpc.StreamingOutputCallRequest, out grpc.ServerStreamingServer[testgrpc.StreamingOutputCallResponse]) error {
	next := time.NewTicker(time.Minute)
	defer next.Stop()
	for {
		price := &testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: []byte("42")}}
		if err := out.Send(price); err != nil {
			return err
		}
		select {
		case <-next.C:
		case <-out.Context().Done():
			return out.Context().Err()
		case <-grpcserver.Stopping(out.Context()):
			return status.Error(codes.Unavailable, "connect again, to another instance")
		}
	}
}

// A stream ends when the server is asked to stop, so the stop does not have to wait for it.
func ExampleStopping() {
	ctx := context.Background()
	api := grpcserver.New(grpcserver.Spec{
		Addr: "127.0.0.1:0",
		Register: func(_ child.Context, srv *grpc.Server) error {
			testgrpc.RegisterTestServiceServer(srv, prices{})
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
	})
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	addr, _ := api.Addr.Get(ctx)
	conn, _ := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	defer conn.Close()
	stream, err := testgrpc.NewTestServiceClient(conn).StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	price, err := stream.Recv()
	fmt.Printf("%s %v\n", price.GetPayload().GetBody(), err)

	fmt.Println("stopped:", root.Stop(ctx))
	_, err = stream.Recv()
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// stopped: <nil>
	// rpc error: code = Unavailable desc = connect again, to another instance
}
