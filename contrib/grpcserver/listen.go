package grpcserver

import (
	"context"
	"errors"
	"net"

	"github.com/coppice-go/coppice/internal/listening"
)

// listen makes the listener of a run.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if s.spec.Listener != nil {
		return s.lent.Lend(s.spec.Listener)
	}
	if s.spec.Addr == "" {
		return nil, errors.New(`grpcserver: Spec.Addr is empty: set it, for example to ":9090", or set Spec.Listener`)
	}
	return listening.Open(ctx, s.spec.Listen, s.spec.Network, s.spec.Addr)
}
