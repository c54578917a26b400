package httpserver

import (
	"net"
	"net/http"
	"reflect"
	"sync"
)

// silent holds the connections on which no request has come yet: a browser opens
// them in advance, a load balancer to see that somebody listens. Shutdown would
// wait five seconds for each of them, although the server has stopped reading
// requests by then. A connection leaves with its first request, so that the set
// is empty most of the time.
type silent struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

// trackSilent puts the tracking in front of the server's own ConnState.
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
	case http.StateIdle: // it was active before
		return
	case http.StateNew:
		if !s.add(conn) {
			_ = conn.Close()
		}
	default:
		s.remove(conn)
	}
}

// add reports false when conn came too late.
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

// close closes them all, and those that are still to come. It must not be called
// before Shutdown has begun. From then on, the server drops a request that it has
// read but not yet announced as StateActive; before, it would have served it.
func (s *silent) close() {
	s.mu.Lock()
	conns := s.conns
	s.conns, s.closed = nil, true
	s.mu.Unlock()
	for conn := range conns {
		_ = conn.Close()
	}
}

// isKey reports whether conn can be a key of a map. That of a listener of the
// user's own need not be a pointer.
func isKey(conn net.Conn) bool { return reflect.ValueOf(conn).Comparable() }
