package observer

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer/page"
)

// An Observer shows a tree. Make one with New. It is an http.Handler for use below any
// prefix, with http.StripPrefix.
type Observer struct {
	spec    Spec
	root    *supervisor.Supervisor // nil: there is no tree
	memory  *memory
	held    *recorder       // keeps what is remembered alive
	serves  string          // path of the child that ctx belongs to; empty outside of a tree
	ctx     context.Context // of New: how long streams last
	page    http.Handler
	latest  snapshots
	past    snapshots
	stacks  profiles
	streams atomic.Int32
}

// New returns an observer that remembers the events of the tree from now on, until ctx
// ends. ctx says which tree: the one of the child whose context it is, such as the argument
// of httpserver.Spec.Server. For any other context, set Spec.Root; without one, the
// observer answers each request with 503 and says so. A nil ctx is one that never ends.
//
// After ctx has ended the observer still answers, but its streams end.
func New(ctx context.Context, spec Spec) *Observer {
	if ctx == nil {
		ctx = context.Background()
	}
	o := &Observer{spec: spec, root: spec.Root, ctx: ctx, page: page.Handler()}
	if s, ok := supervisor.FromContext(ctx); ok {
		if o.root == nil {
			o.root = s.Root()
		}
		o.serves = child.FromContext(ctx).Path()
	}
	if o.root == nil {
		return o
	}
	o.held = recorderOf(o.root, spec.keep())
	o.memory = o.held.memory
	context.AfterFunc(ctx, o.held.attach(spec.linger()))
	return o
}

// A route answers GET and HEAD requests of one view.
type route func(o *Observer, w http.ResponseWriter, r *http.Request) error

var routes = map[string]route{
	"/tree.json":     (*Observer).serveTree,
	"/causes.json":   (*Observer).serveCauses,
	"/children.json": (*Observer).serveChildren,
	"/child":         (*Observer).serveChild,
	"/goroutines":    (*Observer).serveGoroutines,
	"/events.json":   (*Observer).serveEvents,
	"/events":        (*Observer).serveStream,
	"/tree.txt":      (*Observer).serveText,
	"/tree.dot":      (*Observer).serveDot,
	"/tree.mmd":      (*Observer).serveMermaid,
	"/explain.json":  (*Observer).serveExplain,
	"/explain.txt":   (*Observer).serveExplainText,
}

// ServeHTTP answers a request: see the package documentation for the routes.
func (o *Observer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if err := o.serve(w, r); err != nil {
		answer(w, r, err)
	}
}

func (o *Observer) serve(w http.ResponseWriter, r *http.Request) error {
	allow := o.spec.Allow
	if allow == nil {
		allow = local
	}
	if !allow(r) {
		if o.spec.Allow != nil {
			return refuse(http.StatusForbidden, "you may not see this tree: Allow of observer.Spec refuses the request")
		}
		return refuse(http.StatusForbidden, "only a client on the same machine may see this tree, by the name localhost and not through a proxy; "+
			"to admit others, set Allow in observer.Spec")
	}
	at := r.URL.Path
	if at == "" {
		redirect(w, r)
		return nil
	}
	if at == "/act" {
		return o.serveAct(w, r)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return refuse(http.StatusMethodNotAllowed, "use GET")
	}
	serve, ok := routes[at]
	if !ok {
		if _, err := fs.Stat(page.Files, strings.TrimPrefix(at, "/")); at != "/" && err != nil {
			return refuse(http.StatusNotFound, "the observer has no such view")
		}
		o.page.ServeHTTP(w, r)
		return nil
	}
	if o.root == nil {
		return refuse(http.StatusServiceUnavailable, "there is no tree to show: give observer.New the context of a child, or set Root in observer.Spec")
	}
	o.held.catchUp(r.Context())
	return serve(o, w, r)
}

// redirect adds the slash at the end, without which the page's relative addresses lead
// elsewhere. The prefix is not known: StripPrefix has removed it.
func redirect(w http.ResponseWriter, r *http.Request) {
	to := "./"
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil && strings.Trim(u.Path, "/") != "" {
		to = "./" + (&url.URL{Path: path.Base(u.Path)}).EscapedPath() + "/"
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusMovedPermanently)
}

// A refusal is an answer other than 200.
type refusal struct {
	status int
	text   string
	nowRun *uint64 // of a conflict
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: cut(fmt.Sprintf(format, args...), view.MaxText)}
}

// answer answers with an error.
func answer(w http.ResponseWriter, r *http.Request, err error) {
	no, ok := err.(*refusal)
	if !ok {
		no = &refusal{status: http.StatusInternalServerError, text: brief(err)}
	}
	var body any = view.Error{V: view.Version, Error: no.text}
	if no.nowRun != nil {
		body = view.Conflict{V: view.Version, Error: no.text, NowRun: *no.nowRun}
	}
	writeJSON(w, r, no.status, body)
}

// writeJSON answers with JSON that is safe to show in a terminal.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // a nesting that is too deep
		status, text = http.StatusInternalServerError, fmt.Appendf(nil, `{"v":%d,"error":%q}`, view.Version, brief(err))
	}
	text = append(oneline.JSON(text), '\n')
	w.Header().Set("Content-Type", "application/json")
	write(w, r, status, text)
}

// writeText answers with plain text.
func writeText(w http.ResponseWriter, r *http.Request, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	write(w, r, http.StatusOK, []byte(text))
}

func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have left
	}
}

// momentOf returns the time that a parameter of a request names, and false if there is none.

func momentOf(r *http.Request, name string) (time.Time, bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, false, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, false, refuse(http.StatusBadRequest, "%s: not a time as in RFC 3339, such as 2026-11-27T03:03:21.5Z", name)
	}
	return t, true, nil
}
