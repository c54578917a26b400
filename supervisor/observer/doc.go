// Package observer shows a running tree to the person who operates the program: what is
// wrong, why, what comes next, and what can be done. It is one http.Handler with a page, JSON,
// a stream of events, and actions for those who may act. It opens no listener, registers
// nothing on http.DefaultServeMux, and needs only the standard library.
//
//	debug := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
//		mux := http.NewServeMux()
//		mux.Handle("/debug/coppice/", http.StripPrefix("/debug/coppice", observer.New(ctx, observer.Spec{})))
//		return &http.Server{Addr: "localhost:6060", Handler: mux}, nil
//	}})
//	root := supervisor.New(supervisor.Spec{
//		Name:   "shop",
//		Around: observer.Label, // for the stacks of each child
//		Children: []child.Spec{
//			{Name: "debug", Run: debug.Run},
//			{Name: "api", Run: api.Run},
//		},
//	})
//
// Then open http://localhost:6060/debug/coppice/, or use the command coppice. From another
// machine, use ssh -L 6060:localhost:6060 HOST.
//
// # What is safe
//
// The page is read-only, and only for browsers on the same machine, until Spec says
// otherwise:
//
//   - Without Spec.Allow, a request must come from a loopback address or a unix socket, name
//     localhost or a loopback address as its Host, and not have passed a proxy that says so
//     (Forwarded, X-Forwarded-…, X-Real-Ip, Via). Otherwise the answer is 403. If a proxy on
//     the same machine removes these headers, its requests look like those of a local
//     browser: set Allow.
//   - Without Spec.Act there are no actions. With it, an action is a POST with the content
//     type application/json, from the same origin or not from a browser, and with the
//     number of the run that the operator has seen. If the child has another by now, the
//     answer is 409 and nothing is done. The log and an event of kind EventRequest have the
//     name of the operator.
//   - To stop what serves the page takes "force". Then the answer is sent first.
//   - Every answer has a content security policy without inline scripts, and is neither
//     cached nor shown in a frame. Names, errors and status texts are text, never markup.
//   - Nothing shows the command line, the environment or memory of the process. But errors,
//     status texts and stacks are shown as they are: do not put secrets into them.
//
// # What is remembered
//
// An observer subscribes in New, until its ctx ends. Events are remembered by tree, not
// by observer: all observers of a tree share them, and the restart of the child that
// serves the page loses nothing, because the subscription goes on for Spec.Linger after the
// last observer. The memory is bounded:
//
//   - the latest events: Spec.Keep of them, with texts of at most a kilobyte; apart from them
//     the latest status texts, an eighth of that number
//   - beyond those, the first failure of each storm and each giving up, 256 of each, within
//     128 kB. A storm is a row of failures with the same cause, with no minute without one.
//   - by cause, for 256 causes: count, first, last, and the failures of the last hour by minute
//   - by path, for 10,000 paths that have failed: count, first and last failure. They survive
//     restarts of supervisors and of the root.
//   - the last panic with its stack, of 64 children
//
// Events have numbers of the observer's own, because Event.Seq starts over with each start
// of the root. A subscriber that is too slow loses events: the answers count them as lost.
//
// If nobody looks, an event costs its subscription, and the conversion to text on a
// goroutine that supervision does not wait for. If somebody looks, snapshots of the tree
// take at most a fifth of a processor: with 100,000 children a page may be a few seconds
// old.
//
// If a black box of package blackbox has recorded that the process before this one was killed
// or crashed, the page says so.
//
// # Causes
//
// A cause is a group of children whose errors are equal once numbers, addresses and
// identifiers are masked; what all of them share is shown. The order of causes is: the one
// that ends the root soonest (supervisor.Forecast), then by how bad the worst member is,
// then by the number of members. A child that gave up belongs to the error that led to it.
//
// Whether a child is in trouble is decided by one table:
//
//	running                                         well
//	running, but Unready                            trouble
//	running, but earlier runs were abandoned        worth a look
//	running, Suspended or status text "standby…"    well
//	starting                                        well; worth a look after 10 s; trouble after a failure
//	a supervisor that is starting                   the same, but well while the start of a child takes long
//	stopping                                        well
//	stopping or waiting, because it is hung         bad
//	waiting for its restart                         trouble; without a failure of its own: worth a look
//	stopped, before its first turn to start         well
//	stopped                                         well; worth a look if its last run ended with an error
//	done                                            well
//	gave up                                         bad
//
// The tree is degraded if a declared child is not well. The children that StartChild has
// added, and those below them, count only if more than a tenth of those of one supervisor
// are in trouble (Spec.Degraded): connections and jobs fail all the time.
//
// # Routes
//
// All routes accept GET and HEAD, but for act. Times are RFC 3339. An error is JSON with
// a field "error".
//
//	/                the page
//	/tree.json       the tree and what is wrong; ?path= a part, ?at= a moment of the past, ?seen= the last event that the caller knows
//	/causes.json     the same without the tree
//	/children.json   rows: ?path= ?filter= ?state= ?mask= ?trouble=1 ?sort=restarts|age|name ?n= ?cursor= ?at=
//	/child           one child: ?path= ?at=
//	/goroutines      its stacks: ?path=; with ?force=1 also if there are more than 100,000
//	/events.json     events: ?path= ?kind= ?seen= ?since= ?at= ?because= ?order=oldest ?fold=0 ?n=
//	/events          the same as server-sent events: ?path= ?kind=, Last-Event-ID or ?seen=, ?ticks=1
//	/tree.txt        Tree.String
//	/tree.dot        for Graphviz
//	/tree.mmd        for Mermaid
//	/explain.json    what the tree will do: ?path= a child or a part, ?grace= how long a stop may take
//	/explain.txt     the same as text
//	/act             POST {"path", "action", "run", "force"}
//
// The outermost JSON object has "v", the version of the format, which is 1. Fields may be
// added to version 1, but none will change or be removed.
//
// The tree of a past moment is rebuilt from the events since. A moment from before they
// begin is answered with 410. Where no event says how a child was, "guess" is true.
//
// At most 16 streams are open at a time. A stream ends when its server begins to stop
// (httpserver.Stopping), when the ctx of New ends, or when the client leaves. It sends at
// most 500 events in 100 ms; an event "missed" counts those that have left the memory before
// their turn.
//
// An action returns when it is done, or with 422 and the reason if it has failed. It is
// bounded by its request: if that ends first, the work goes on.
package observer
