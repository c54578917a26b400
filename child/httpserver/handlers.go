package httpserver

import (
	"net/http"
	"sync"
)

// handlers counts the requests that are being handled. Close and Shutdown look
// at connections only: a handler may go on when its connection is closed, or was
// taken over. A child that returned then would say that it is gone while it still
// uses siblings that are stopped next.
type handlers struct {
	next     http.Handler
	stopping <-chan struct{}

	mu      sync.Mutex
	running int
	closed  bool
	none    chan struct{} // closed when closed and none runs
}

// watch puts the counting in front of the server's handler.
func watch(srv *http.Server, stopping <-chan struct{}) *handlers {
	h := &handlers{next: srv.Handler, stopping: stopping, none: make(chan struct{})}
	if h.next == nil {
		h.next = http.DefaultServeMux
	}
	srv.Handler = h
	return h
}

func (h *handlers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.begin() {
		panic(http.ErrAbortHandler) // its connection is closed already
	}
	defer h.end()
	select {
	case <-h.stopping:
		sendElsewhere(w, r)
	default:
	}
	h.next.ServeHTTP(w, r)
}

// sendElsewhere has the client open a new connection for its next request, while
// this server drains. http.Server.SetKeepAlivesEnabled would do that too, but it
// closes idle connections at once, and with them the requests that are on their
// way. HTTP/2 makes a GOAWAY of the header. An upgrade needs the header itself.
func sendElsewhere(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
}

func (h *handlers) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.running++
	return true
}

func (h *handlers) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	if h.closed && h.running == 0 {
		close(h.none)
	}
}

// wait waits until no handler runs; no other begins. It reports whether one ran.
// How long it waits is not limited here: the supervisor does that, and names the
// child.
func (h *handlers) wait() (ran bool) {
	h.mu.Lock()
	h.closed = true
	ran = h.running > 0
	if !ran {
		close(h.none)
	}
	h.mu.Unlock()
	<-h.none
	return ran
}
