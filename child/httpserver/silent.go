package httpserver

import (
	"net"
	"net/http"
	"reflect"
	"sync"
)

// silent is the set of connections that have not sent a request yet. Browsers open them in
// advance, load balancers as a health check. Shutdown would wait up to five seconds for
// them, although the server no longer reads requests by then. A connection leaves the set
// with its first request, so the set is empty most of the time.
type silent struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// trackSilent wraps the server's ConnState to track silent connections.
func trackSilent(srv *http.Server) *silent {
	s := new(silent)
	next := srv.ConnState
	srv.ConnState = func(conn net.Conn, state http.ConnState) {
		s.note(conn, state)
		if next != nil {
			next(conn, state)
		}
	}
	return s
}

func (s *silent) note(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateIdle: // it was active before, so it is not in the set
		return
	case http.StateNew:
		if !s.add(conn) {
			_ = conn.Close()
		}
	default:
		s.remove(conn)
	}
}

// add adds conn. It reports false if close has been called.
func (s *silent) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if !isKey(conn) {
		return true // Shutdown waits for it
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[conn] = struct{}{}
	return true
}

func (s *silent) remove(conn net.Conn) {
	if !isKey(conn) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// close closes all silent connections, and those that are added later. It must not be
// called before Shutdown has begun: until then the server still serves a request that it
// has read but not yet reported as StateActive. Afterwards it drops such a request.
func (s *silent) close() {
	s.mu.Lock()
	conns := s.conns
	s.conns, s.closed = nil, true
	s.mu.Unlock()
	for conn := range conns {
		_ = conn.Close()
	}
}

// isKey reports whether conn can be a map key. The connections of a user's listener need
// not be pointers.
func isKey(conn net.Conn) bool { return reflect.ValueOf(conn).Comparable() }
