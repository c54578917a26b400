package main

import (
	"net"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor/observer"
	"github.com/coppice-go/coppice/supervisor/probe"
)

// newDebug returns the child that serves the page and the probes. Its listener belongs to main, so the address stays the
// same when the child or the whole tree restarts.
func newDebug(ln net.Listener) *httpserver.Server {
	return httpserver.New(httpserver.Spec{Listener: ln, Server: func(ctx child.Context) (*http.Server, error) {
		ctx.Status(pageURL(ln))
		mux := http.NewServeMux()
		mux.Handle("/debug/coppice/", http.StripPrefix("/debug/coppice", observer.New(ctx, observer.Spec{
			Act: func(_ *http.Request, a observer.Action, _ string) bool { return a == observer.Restart },
		})))
		mux.Handle("/", probe.New(probe.Spec{})) // /livez, /readyz, /startupz
		return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, nil
	}})
}

func pageURL(ln net.Listener) string { return "http://" + ln.Addr().String() + "/debug/coppice/" }
