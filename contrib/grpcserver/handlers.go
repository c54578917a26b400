package grpcserver

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/child"
)

// handlers wraps the handlers of a run, as an interceptor: it counts those that are
// running, gives them their contexts, and catches their panics.
type handlers struct {
	ctx        child.Context
	stopping   <-chan struct{}
	passPanics bool
	running    atomic.Int64
}

func (h *handlers) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(h.unary),
		grpc.ChainStreamInterceptor(h.stream),
	}
}

func (h *handlers) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer h.count(info.FullMethod)()
	if !h.passPanics {
		defer h.catch(info.FullMethod, &err)
	}
	return next(h.context(ctx), req)
}

func (h *handlers) stream(srv any, out grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer h.count(info.FullMethod)()
	if !h.passPanics {
		defer h.catch(info.FullMethod, &err)
	}
	return next(srv, &stream{ServerStream: out, ctx: h.context(out.Context())})
}

// count counts a call, except those of the health service: nothing is lost when they end.
func (h *handlers) count(method string) (done func()) {
	if strings.HasPrefix(method, healthMethods) {
		return func() {}
	}
	h.running.Add(1)
	return func() { h.running.Add(-1) }
}

var healthMethods = "/" + healthpb.Health_ServiceDesc.ServiceName + "/"

// catch is deferred. It turns a panic into the error of a call.
func (h *handlers) catch(method string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	h.ctx.OnError(fmt.Errorf("grpcserver: %s: %w", method, child.Recovered(v)))
	*err = status.Error(codes.Internal, "the handler has panicked")
}

// A stream is a ServerStream with another context.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *stream) Context() context.Context { return s.ctx }

func (h *handlers) context(call context.Context) context.Context {
	return &callContext{Context: call, handlers: h}
}

// A callContext is the context of a call with the values of the child's context. A value of
// the call comes first.
type callContext struct {
	context.Context
	handlers *handlers
}

func (c *callContext) Value(key any) any {
	if key == (stoppingKey{}) {
		return c.handlers.stopping
	}
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.handlers.ctx.Value(key)
}
