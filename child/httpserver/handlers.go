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
	next http.Handler

	mu      sync.Mutex
	running int
	closed  bool
	none    chan struct{} // closed when closed and none runs
}

// watch puts the counting in front of the server's handler.
func watch(srv *http.Server) *handlers {
	h := &handlers{next: srv.Handler, none: make(chan struct{})}
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
	h.next.ServeHTTP(w, r)
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

// wait waits until no handler runs; no other begins. How long is not limited
// here: the supervisor does that, and names the child.
func (h *handlers) wait() {
	h.mu.Lock()
	h.closed = true
	if h.running == 0 {
		close(h.none)
	}
	h.mu.Unlock()
	<-h.none
}
