package probe

import (
	"net/http"
	"sync"
	"weak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/readiness"
	"github.com/coppice-go/coppice/internal/vitals"
	"github.com/coppice-go/coppice/supervisor"
)

// A Spec declares a handler. The zero value is useful.
type Spec struct {
	// Root is the root of the tree that the probes are about. Nil means the tree that
	// the context of the request belongs to, which requests of package httpserver have.
	// Set it for a server outside of the tree.
	Root *supervisor.Supervisor

	// Optional has the paths of children that do not count for readiness and for the
	// start: full paths such as "/shop/debug", or paths from the root such as "debug" or
	// "jobs/mail". What runs below such a path does not count either. An optional child
	// still delays the start of those that are declared after it.
	//
	// A path that no child has is ignored, because the child may be added or its
	// supervisor may be restarted later. ?verbose lists it.
	Optional []string
}

// New returns a handler for /livez, /readyz and /startupz. It can be used for any number of
// servers, runs and trees, and remembers for each root that it has started. Mount it under
// a prefix with http.StripPrefix.
//
// It answers GET and HEAD with status 200 or 503, other methods with 405, other paths with
// 404. If there is no tree, because Spec.Root is nil and the request belongs to none, it
// answers 500.
func New(spec Spec) http.Handler {
	return &handler{root: spec.Root, optional: readiness.NewOptional(spec.Optional)}
}

type handler struct {
	root     *supervisor.Supervisor
	optional readiness.Optional
	started  sync.Map // of weak.Pointer[supervisor.Supervisor]
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	var ask func(*supervisor.Supervisor) *answer
	switch r.URL.Path {
	case "/livez":
		ask = h.live
	case "/readyz":
		ask = h.ready
	case "/startupz":
		ask = h.start
	default:
		refuse(w, http.StatusNotFound, "the probes are /livez, /readyz and /startupz")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "use GET or HEAD")
		return
	}
	root := h.rootOf(r)
	if root == nil {
		refuse(w, http.StatusInternalServerError, "the request belongs to no supervision tree: "+
			"set probe.Spec.Root, or serve with package httpserver and without a BaseContext of your own")
		return
	}
	a := ask(root)
	if r.URL.Query().Has("verbose") {
		h.explain(a, root)
	}
	a.write(w)
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client has left
}

func (h *handler) rootOf(r *http.Request) *supervisor.Supervisor {
	if h.root != nil {
		return h.root
	}
	if sup, ok := supervisor.FromContext(r.Context()); ok {
		return sup.Root()
	}
	return nil
}

func (h *handler) live(root *supervisor.Supervisor) *answer {
	a := &answer{name: "live"}
	if err := vitals.Live(root); err != nil {
		a.count(err)
	}
	return a
}

func (h *handler) ready(root *supervisor.Supervisor) *answer {
	a := &answer{name: "ready", health: h.health(root)}
	for _, err := range a.health.counts {
		a.count(err)
	}
	if !a.failed {
		h.latch(root)
	}
	return a
}

func (h *handler) start(root *supervisor.Supervisor) *answer {
	a := &answer{name: "started"}
	if h.hasStarted(root) {
		return a
	}
	a.health = h.health(root)
	for _, err := range a.health.counts {
		a.count(err)
	}
	if !a.failed {
		h.latch(root)
	}
	return a
}

// hasStarted reports whether the root has been ready, or is up: then every declared child
// has been ready.
func (h *handler) hasStarted(root *supervisor.Supervisor) bool {
	if _, ok := h.started.Load(weak.Make(root)); ok {
		return true
	}
	if root.Status().State != child.Running {
		return false
	}
	h.latch(root)
	return true
}

func (h *handler) latch(root *supervisor.Supervisor) {
	h.started.LoadOrStore(weak.Make(root), struct{}{})
}

// explain adds the lines that do not count.
func (h *handler) explain(a *answer, root *supervisor.Supervisor) {
	if a.health == nil {
		a.health = h.health(root)
		for _, err := range a.health.counts {
			a.note("does not count", err)
		}
	}
	for _, err := range a.health.optional {
		a.note("optional", err)
	}
	for _, path := range h.optional {
		if _, ok := root.Lookup(path); !ok && path != root.Path() {
			a.note("Spec.Optional has no such child now", path)
		}
	}
}
