package httpserver

import (
	"context"
	"net"
	"net/http"

	"github.com/coppice-go/coppice/internal/listening"
)

// listen makes the listener of a run.
func (s *Server) listen(ctx context.Context, srv *http.Server) (net.Listener, error) {
	if s.spec.Listener != nil {
		return s.lent.Lend(s.spec.Listener)
	}
	addr := srv.Addr
	switch {
	case addr != "":
	case srv.TLSConfig != nil:
		addr = ":https"
	default:
		addr = ":http"
	}
	return listening.Open(ctx, s.spec.Listen, s.spec.Network, addr)
}
