package httpserver

import (
	"net/http"
	"sync"
	"time"
)

// handlers counts the handlers that are running. Close and Shutdown only look at
// connections, but a handler may continue after its connection was closed or hijacked. If
// Run returned then, the handler might use siblings that are stopped next.
type handlers struct {
	next     http.Handler
	stopping <-chan struct{}

	mu      sync.Mutex
	running int
	closed  bool
	none    chan struct{} // closed when closed is set and no handler is running
}

// watch wraps the server's handler to count its calls.
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

// sendElsewhere makes the client open a new connection for its next request, while this
// server drains. http.Server.SetKeepAlivesEnabled would do that too, but it closes idle
// connections at once, and loses requests that are on their way. In HTTP/2 the header
// causes a GOAWAY. A response to an upgrade needs the header for itself.
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

// wait prevents further handlers from starting and waits until none is running. It reports
// whether one was running. It has no timeout of its own: the supervisor limits the stop,
// and names the child.
func (h *handlers) wait() (ran bool) {
	ran = h.close()
	<-h.none
	return ran
}

// waitAtMost is wait with a limit, for a server that has failed, which nobody asks to stop. It
// returns how many handlers are left.
func (h *handlers) waitAtMost(limit time.Duration) (left int) {
	h.close()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-h.none:
	case <-late.C:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

// close prevents further handlers from starting. It reports whether one is running.
func (h *handlers) close() (running bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.running == 0 {
		close(h.none)
	}
	return h.running > 0
}
