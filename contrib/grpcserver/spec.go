package grpcserver

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/coppice-go/coppice/child"
)

// A Spec declares a server. Only Register, and one of Addr and Listener, are required.
type Spec struct {
	// Addr is the address to listen on, such as ":9090", or the path of a socket file. It
	// is ignored if Listener is set.
	Addr string

	// Register registers the services of a run with its new server. It is called once
	// per run, because a grpc.Server that was stopped cannot serve again. An error is a
	// failed start.
	//
	// The contexts of calls have the values of ctx, the child's context, besides their
	// own. So child.FromContext and supervisor.FromContext work in handlers. The end of ctx
	// does not cancel them: they end when the client leaves, and when the time for a
	// graceful stop is over.
	Register func(ctx child.Context, srv *grpc.Server) error

	// Options, if not nil, makes the options of the server of a run, such as
	// grpc.Creds. It is called once per run, before Register. Load certificate files in
	// it, so that each restart loads them again.
	Options func(ctx child.Context) ([]grpc.ServerOption, error)

	// Network is the network to listen on, as for net.Listen. Empty means "tcp". "unix"
	// listens on a socket file, or on an abstract socket of Linux if Addr begins with
	// "@".
	//
	// A process that is killed leaves its socket file. It is replaced as
	// httpserver.Spec.Network describes: only if it is a socket that has refused
	// connections for a second.
	Network string

	// Listen makes the listener of a run. Nil means the Listen of a net.ListenConfig. Use
	// it to set socket options or to wrap the listener.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)

	// Listener, if not nil, is used by every run instead of listening: for example one
	// from systemd or from a test. It is not closed. Between two runs, connections wait in
	// its queue, so a restart refuses none. This requires a SetDeadline method, which TCP
	// and unix listeners have. A listener without SetDeadline is closed at the end of the
	// first run, and later runs fail to start.
	Listener net.Listener

	// Drain is how long the server keeps serving after it was asked to stop, so that load
	// balancers and clients notice that it says NOT_SERVING, and send new calls elsewhere.
	// Zero means no drain.
	//
	// The drain takes at most half of the time that the child's stop timeout leaves for a
	// graceful stop. If Register or Options has called ctx.Grace, that time is not known,
	// and the drain takes all of Drain.
	Drain time.Duration

	// Optional has the paths of children that do not count for the health service: full
	// paths such as "/shop/debug", or paths from the root such as "debug" or "jobs/mail".
	// What runs below such a path does not count either. A path that no child has is
	// ignored. probe.Spec.Optional means the same.
	Optional []string

	// PassPanics lets a panic in a handler crash the process. By default it only ends its
	// call, and is reported.
	PassPanics bool
}
