package observer

import (
	"net/http"
	"time"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

// A Spec declares an observer. The zero Spec shows the tree that ctx belongs to, to
// browsers on the same machine, and lets nobody change anything.
type Spec struct {
	// Root is the supervisor to show. Nil means the root of the tree that the ctx of New
	// belongs to. Set it where the page is served outside of the tree. A nested supervisor
	// shows its part of a tree.
	Root *supervisor.Supervisor

	// Allow decides who may see the tree. It is called for each request, by its goroutine,
	// before anything else. If it returns false the answer is 403.
	//
	// Nil allows a request if all of this is true: the peer has a loopback address or is on
	// a unix socket; the Host is localhost or a loopback address, so that a page of another
	// site cannot get here by a name of its own (DNS rebinding); and there is no Forwarded,
	// X-Forwarded-…, X-Real-Ip or Via header. With such a header, the peer is a proxy on
	// this machine, and its client can be anybody. If a proxy removes these headers, its
	// requests look like those of a local browser: set Allow.
	//
	// With Allow none of these checks is made. It must authenticate the client, for example
	// by a certificate or by a header that only an authenticating proxy can set.
	Allow func(r *http.Request) bool

	// Act decides who may do what to the child or supervisor at path. Nil means that there
	// are no actions. Act is called for requests that Allow has admitted, before an action,
	// and to find out which buttons to show. If it returns false, the answer is 403.
	Act func(r *http.Request, a Action, path string) bool

	// Who names the operator who requests an action, for the log and for the events: see
	// supervisor.Request.By. Nil means the address of the peer. An empty name counts as
	// the address too.
	Who func(r *http.Request) string

	// Keep is the number of events that are remembered. They take at most half a kilobyte
	// each on average; if they are longer, fewer are kept. Beyond them, the first failure
	// of each storm and each giving up are kept, and the counts of failures by path: see
	// the package documentation. Status texts are kept apart, an eighth of the number, so
	// that a child that says much displaces no other events. If two observers of a tree differ, the larger number
	// counts. Zero or less means 10,000.
	Keep int

	// Linger is how long events of a tree are still remembered after its last observer has
	// ended, so that the restart of the child that serves the page loses nothing. If
	// several observers differ, the longest time counts. Zero or less means 10 minutes.
	Linger time.Duration

	// Degraded is the share of the dynamic children of a supervisor, those that were added
	// by StartChild, that may be in trouble. If more are, the supervisor is degraded, and
	// so is the tree. Zero or less means 0.1.
	Degraded float64
}

const (
	defaultKeep   = 10_000
	defaultLinger = 10 * time.Minute
)

func (s Spec) keep() int {
	if s.Keep <= 0 {
		return defaultKeep
	}
	return min(s.Keep, mostKept)
}

// mostKept keeps a mistaken Keep from overflowing the bound of the bytes.
const mostKept = 100_000_000

func (s Spec) linger() time.Duration {
	if s.Linger <= 0 {
		return defaultLinger
	}
	return s.Linger
}

// An Action is what an operator can request. It is text, such as "restart".
type Action = view.Action

const (
	Restart = view.Restart // stop it if it runs, and start it: RestartChild
	Stop    = view.Stop    // stop it and keep its spec: StopChild
	Start   = view.Start   // start a child that does not run: RestartChild
	Suspend = view.Suspend // of a supervisor: start nothing in it until Resume
	Resume  = view.Resume  // of a supervisor: end a Suspend
)
