package grpcserver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/internal/readiness"
	"github.com/coppice-go/coppice/supervisor"
)

// health is the health service of a run. It says what the tree says.
type health struct {
	healthpb.UnimplementedHealthServer
	root     *supervisor.Supervisor // nil outside of a tree
	optional readiness.Optional
	stopping <-chan struct{}
	names    map[string]struct{} // of services

	subscribe   sync.Once // for the first Watch: events cost something
	unsubscribe func()
	ended       chan struct{} // closed when the streams of Watch must end
	end         func()
	watchers    atomic.Int64

	refreshing sync.Mutex // taken before mu
	mu         sync.Mutex
	known      servingStatus
	changed    chan struct{} // closed when known changes
}

type servingStatus = healthpb.HealthCheckResponse_ServingStatus

func newHealth(ctx context.Context, optional []string, stopping <-chan struct{}) *health {
	h := &health{
		optional:    readiness.NewOptional(optional),
		stopping:    stopping,
		unsubscribe: func() {},
		ended:       make(chan struct{}),
		changed:     make(chan struct{}),
	}
	h.end = sync.OnceFunc(func() { close(h.ended) })
	if sup, ok := supervisor.FromContext(ctx); ok {
		h.root = sup.Root()
	}
	return h
}

// serve sets the services that have a status.
func (h *health) serve(services map[string]grpc.ServiceInfo) {
	h.names = map[string]struct{}{"": {}, healthpb.Health_ServiceDesc.ServiceName: {}}
	for name := range services {
		h.names[name] = struct{}{}
	}
}

func (h *health) Check(_ context.Context, in *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if _, ok := h.names[in.GetService()]; !ok {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return &healthpb.HealthCheckResponse{Status: h.now()}, nil
}

func (h *health) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	now := h.now()
	all := make(map[string]*healthpb.HealthCheckResponse, len(h.names))
	for name := range h.names {
		all[name] = &healthpb.HealthCheckResponse{Status: now}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

func (h *health) Watch(in *healthpb.HealthCheckRequest, out grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	_, isKnown := h.names[in.GetService()]
	h.watch()
	defer h.watchers.Add(-1)
	for last := servingStatus(-1); ; {
		is, changed := h.latest()
		ended := false
		select {
		case <-h.ended:
			is, ended = healthpb.HealthCheckResponse_NOT_SERVING, true
		default:
		}
		if !isKnown {
			is = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		}
		if is != last {
			if err := out.Send(&healthpb.HealthCheckResponse{Status: is}); err != nil {
				return err
			}
			last = is
		}
		if ended {
			return status.Error(codes.Unavailable, "the server stops")
		}
		select {
		case <-changed:
		case <-h.ended:
		case <-out.Context().Done():
			return status.FromContextError(out.Context().Err()).Err()
		}
	}
}

// close ends the subscription. A Watch that begins later, or that has not returned, changes
// nothing.
func (h *health) close() {
	h.subscribe.Do(func() {})
	h.unsubscribe()
}

// lookDelay is how long events are collected before the status is looked at again.
const lookDelay = 50 * time.Millisecond

// watch makes sure that changes of the tree are noticed.
func (h *health) watch() {
	h.watchers.Add(1)
	h.subscribe.Do(func() {
		if h.root != nil {
			_, h.unsubscribe = h.root.SubscribeBatches(lookDelay, func([]supervisor.Event) {
				if h.watchers.Load() > 0 {
					h.refresh()
				}
			}, ofHealth...)
		}
	})
	h.refresh()
}

// ofHealth are the kinds of events after which Health may say something else.
var ofHealth = []supervisor.EventKind{
	supervisor.EventReady, supervisor.EventUnready, supervisor.EventFailed, supervisor.EventCompleted,
	supervisor.EventStarting, supervisor.EventRestarting, supervisor.EventHung, supervisor.EventStopping,
	supervisor.EventStopped, supervisor.EventAbandoned, supervisor.EventRemoved, supervisor.EventGaveUp,
	supervisor.EventUp, supervisor.EventDraining, supervisor.EventClosing, supervisor.EventOver,
}

// refresh looks at the status, and wakes the streams if it has changed.
func (h *health) refresh() {
	h.refreshing.Lock() // so that what is stored last was seen last
	defer h.refreshing.Unlock()
	is := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if is != h.known {
		h.known = is
		close(h.changed)
		h.changed = make(chan struct{})
	}
}

func (h *health) latest() (is servingStatus, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known, h.changed
}

// now returns the status of this moment.
func (h *health) now() servingStatus {
	select {
	case <-h.stopping:
		return healthpb.HealthCheckResponse_NOT_SERVING
	default:
	}
	if h.root != nil {
		if counts, _ := h.optional.Split(h.root); len(counts) > 0 {
			return healthpb.HealthCheckResponse_NOT_SERVING
		}
	}
	return healthpb.HealthCheckResponse_SERVING
}
