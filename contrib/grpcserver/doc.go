// Package grpcserver runs a grpc.Server as a child of a supervisor: it listens, reports
// ready, serves, reports the health of the tree to its clients, and stops without
// interrupting calls that can still finish in time.
//
//	api := grpcserver.New(grpcserver.Spec{
//		Addr: ":9090",
//		Register: func(ctx child.Context, srv *grpc.Server) error {
//			shoppb.RegisterShopServer(srv, shop)
//			return nil
//		},
//	})
//	root := supervisor.New(supervisor.Spec{
//		Backoff:  child.Exponential(100*time.Millisecond, 10*time.Second),
//		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
//	})
//
// The phases of a run, and of its stop:
//
//	make the server, listen   an error is a failed start
//	Ready                     Addr has the address that it listens on
//	serve                     an error is a failure: it closes the connections, which cancels
//	                          the contexts of the calls, and waits for the handlers, for at most
//	                          the stop timeout; Health reports not ready meanwhile
//	asked to stop             Stopping is closed, Addr is withdrawn, and the health service
//	                          says NOT_SERVING
//	drain                     for Spec.Drain: it serves on, new connections too
//	GracefulStop              it accepts nothing new and asks clients to leave (GOAWAY); the
//	                          health service ends its streams; calls may finish
//	ctx.Grace ends            after nine tenths of the stop timeout: it closes the remaining
//	                          connections, which cancels the contexts of their calls
//	wait for the handlers     a run whose handler does not return is abandoned after the stop
//	                          timeout
//
// # Streams
//
// A handler of a stream that does not end by itself must return when Stopping is closed.
// Otherwise the stop takes until ctx.Grace ends, and with a StopTimeout of child.Forever it
// never ends. Recv does not return when Stopping is closed: a handler that has to wait for
// both calls Recv on another goroutine. That Recv returns when the handler has. The streams
// of the reflection service are such streams too; they are cut off when ctx.Grace ends.
//
// # Health
//
// The server has the standard health service, grpc.health.v1, unless Spec.Register registers
// one of its own. It says SERVING while supervisor.Health of the root returns nil, apart from
// Spec.Optional, and the server has not been asked to stop. So it says NOT_SERVING while
// the tree starts, drains or stops, and while a child that counts is down. It knows the empty
// name, which stands for the server, and the names of the registered services; all of them
// have the same status. Without a supervisor it says SERVING until the stop.
//
// It answers the question of a readiness probe, such as readinessProbe.grpc of Kubernetes.
// Do not use it for liveness: a database that is away would restart every process that
// uses it. Package probe of Coppice answers that question. Clients written with grpc-go
// watch it if they import google.golang.org/grpc/health and their service config has a
// healthCheckConfig; with round_robin they then send no calls to a server that drains.
//
// Watch reports a change within about 50 ms. Its streams do not delay a stop: they last until
// the end of the drain, so that each client has seen NOT_SERVING, and then end with the
// code UNAVAILABLE.
//
// # Panics
//
// A panic in a handler ends its call with the code INTERNAL. The child reports it with
// ctx.OnError: an event of kind EventError has a *child.PanicError, with the stack. The
// client does not see its text. With Spec.PassPanics, a panic crashes the process, as it does
// without this package. A handler that calls runtime.Goexit leaves its call without an
// answer.
//
// Set interceptors with grpc.ChainUnaryInterceptor and grpc.ChainStreamInterceptor. Those
// then run inside of the ones of this package: their panics are caught too, and their
// contexts have the values of the child's context. An interceptor that is set with
// grpc.UnaryInterceptor or grpc.StreamInterceptor runs outside of them, and its panic
// crashes the process.
//
// # Listening
//
// A port that is in use is a failed start like any other. A restart is retried after the
// child's backoff; a first start is retried if RetryStart is set. A unix socket left by a
// killed process is replaced: see Spec.Network.
//
// Connections that have sent nothing, such as those of port scanners, do not delay a stop. A
// client that stops in the middle of its handshake delays it until ctx.Grace ends. These
// connections must be those of net: connections of another type, from Spec.Listen or
// Spec.Listener, can delay the stop for as long as grpc.ConnectionTimeout, which is two
// minutes by default, and the run may be abandoned.
package grpcserver
