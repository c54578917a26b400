package grpcserver

import (
	"context"
	"errors"
	"net"
)

// listen makes the listener of a run.
func (s *Server) listen(ctx context.Context) (net.Listener, error) {
	if s.spec.Listener != nil {
		return s.lent.lend(s.spec.Listener)
	}
	if s.spec.Addr == "" {
		return nil, errors.New(`grpcserver: Spec.Addr is empty: set it, for example to ":9090", or set Spec.Listener`)
	}
	network := s.spec.Network
	if network == "" {
		network = "tcp"
	}
	listen := s.spec.Listen
	if listen == nil {
		listen = new(net.ListenConfig).Listen
	}
	ln, err := listen(ctx, network, s.spec.Addr)
	if err != nil {
		if err = removeLeftover(ctx, network, s.spec.Addr, err); err == nil {
			ln, err = listen(ctx, network, s.spec.Addr)
		}
	}
	if err == nil && ln == nil {
		err = errors.New("grpcserver: Spec.Listen returned nil")
	}
	return ln, err
}
