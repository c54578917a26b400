package observer_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestOnlyLocalBrowsersAreAllowedByDefault(t *testing.T) {
	for _, c := range []struct {
		name, peer, host, header string
		want                     int
	}{
		{"IPv4", "127.0.0.1:1", "127.0.0.1:6060", "", 200},
		{"IPv6", "[::1]:1", "[::1]:6060", "", 200},
		{"another loopback address", "127.8.9.10:1", "127.0.0.1", "", 200},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:1", "localhost", "", 200},
		{"localhost", "127.0.0.1:1", "localhost:6060", "", 200},
		{"capitals", "127.0.0.1:1", "LOCALHOST", "", 200},
		{"IPv6 without a port", "[::1]:1", "[::1]", "", 200},
		{"a remote peer", "192.0.2.1:1", "localhost:6060", "", 403},
		{"a private peer", "10.0.0.5:1", "10.0.0.5:6060", "", 403},
		{"no peer", "", "localhost", "", 403},
		{"a peer that is no address", "localhost:1", "localhost", "", 403},
		{"a rebound name", "127.0.0.1:1", "evil.example:6060", "", 403},
		{"a name that begins with localhost", "127.0.0.1:1", "localhost.evil.example", "", 403},
		{"a name that ends with localhost", "127.0.0.1:1", "evil.localhost", "", 403},
		{"an address that begins with loopback", "127.0.0.1:1", "127.0.0.1.evil.example", "", 403},
		{"the unspecified address", "127.0.0.1:1", "0.0.0.0:6060", "", 403},
		{"no host", "127.0.0.1:1", "", "", 403},
		{"a proxy, standard", "127.0.0.1:1", "localhost", "Forwarded", 403},
		{"a proxy, usual", "127.0.0.1:1", "localhost", "X-Forwarded-For", 403},
		{"a proxy that tells the host", "127.0.0.1:1", "localhost", "X-Forwarded-Host", 403},
		{"a proxy with a header of its own", "127.0.0.1:1", "localhost", "x-forwarded-whatever", 403},
		{"a proxy, HTTP", "127.0.0.1:1", "localhost", "Via", 403},
		{"a proxy, nginx", "127.0.0.1:1", "localhost", "X-Real-IP", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := observe(t, start(t, supervisor.Spec{}), observer.Spec{Act: anybody})
			for _, r := range []*http.Request{
				local(http.MethodGet, "/", ""), local(http.MethodGet, "/tree.json", ""), local(http.MethodHead, "/events", ""),
			} {
				r.RemoteAddr, r.Host = c.peer, c.host
				if c.header != "" {
					r.Header.Set(c.header, "x")
				}
				require.Equal(t, c.want, do(o, r).Code, r.URL)
			}
			if c.want == http.StatusForbidden {
				r := local(http.MethodPost, "/act", `{"action":"restart","path":"/shop/a"}`)
				r.RemoteAddr, r.Host = c.peer, c.host
				if c.header != "" {
					r.Header.Set(c.header, "")
				}
				require.Equal(t, c.want, do(o, r).Code, "an action; an empty header counts too")
			}
		})
	}
}

func TestAPeerOnAUnixSocketIsLocal(t *testing.T) {
	o := observe(t, start(t, supervisor.Spec{}), observer.Spec{})
	r := local(http.MethodGet, "/tree.json", "")
	r.RemoteAddr = "@"
	require.Equal(t, http.StatusForbidden, do(o, r).Code)
	at := context.WithValue(r.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/shop.sock", Net: "unix"})
	require.Equal(t, http.StatusOK, do(o, r.WithContext(at)).Code)
	r.Host = "evil.example"
	require.Equal(t, http.StatusForbidden, do(o, r.WithContext(at)).Code)
}

func TestAllowReplacesTheDefault(t *testing.T) {
	o := observe(t, start(t, supervisor.Spec{}), observer.Spec{Allow: func(r *http.Request) bool { return r.Header.Get("X-Forwarded-User") == "alice" }})
	require.Equal(t, http.StatusForbidden, do(o, local(http.MethodGet, "/", "")).Code, "local alone is not enough")
	r := httptest.NewRequest(http.MethodGet, "https://shop.example/tree.json", nil)
	r.Header.Set("X-Forwarded-User", "alice")
	require.Equal(t, http.StatusOK, do(o, r).Code)
}

func TestOnlyGetAndHeadAreAnsweredAndPostForActions(t *testing.T) {
	o := observe(t, start(t, supervisor.Spec{}), observer.Spec{Act: anybody})
	for _, target := range []string{"/", "/page.css", "/tree.json", "/causes.json", "/children.json", "/child", "/goroutines", "/events.json", "/events", "/tree.txt", "/tree.dot", "/tree.mmd", "/nothing"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace, "BREW"} {
			w := do(o, local(method, target, ""))
			require.Equal(t, http.StatusMethodNotAllowed, w.Code, "%s %s", method, target)
			require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
		w := do(o, local(method, "/act", ""))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		require.Equal(t, "POST", w.Header().Get("Allow"))
	}
}

func TestEachAnswerHasTheHeadersOfSafety(t *testing.T) {
	o := observe(t, start(t, supervisor.Spec{}), observer.Spec{})
	for target, code := range map[string]int{"/": 200, "/page.js": 200, "/tree.json": 200, "/tree.txt": 200, "/nothing": 404, "/child?path=x": 404, "/act": 405, "": 301} {
		r := local(http.MethodGet, "/", "")
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
		w := do(o, r)
		require.Equal(t, code, w.Code, target)
		h := w.Header()
		csp := h.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'", target)
		require.Contains(t, csp, "frame-ancestors 'none'", target)
		require.NotContains(t, csp, "unsafe-inline", target)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), target)
		require.Equal(t, "no-store", h.Get("Cache-Control"), target)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), target)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), target)
		require.Empty(t, h.Get("Access-Control-Allow-Origin"), target)
	}
}

func TestWithoutATreeEachViewSaysWhatToDo(t *testing.T) {
	for _, ctx := range []context.Context{context.Background(), nil} {
		o := observer.New(ctx, observer.Spec{Act: anybody})
		for _, target := range []string{"/tree.json", "/causes.json", "/children.json", "/child", "/goroutines", "/events.json", "/events", "/tree.txt"} {
			w := do(o, local(http.MethodGet, target, ""))
			require.Equal(t, http.StatusServiceUnavailable, w.Code, target)
			var v view.Error
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
			require.Contains(t, v.Error, "set Root in observer.Spec")
		}
		require.Equal(t, http.StatusServiceUnavailable, post(o, view.Act{Action: observer.Restart, Path: "/x"}).Code)
	}
}

func TestHostileTextsAreText(t *testing.T) {
	hostile := "<img src=x onerror=alert(1)>\x1b[2J\u202e\xff\x00\r\n</script>" + strings.Repeat("A", 1<<20)
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Name: "<b>", Children: []child.Spec{
			{Name: `"<i>'&`, Backoff: child.Constant(1 << 40), Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.Status(hostile)
				return errors.New(hostile)
			}},
		}})
		o := observe(t, root, observer.Spec{Who: func(*http.Request) string { return hostile }})
		for _, target := range []string{"/tree.json", "/causes.json", "/children.json?filter=img", "/child?path=%22%3Ci%3E%27%26", "/events.json", "/child?path=%3Cscript%3E%1b", "/tree.txt", "/tree.dot", "/tree.mmd", "/tree.json?at=%3Cscript%3E"} {
			w := do(o, local(http.MethodGet, target, ""))
			body := w.Body.String()
			require.Less(t, len(body), 64<<10, target)
			require.NotContains(t, body, "\x1b", target)
			require.NotContains(t, body, "\u202e", target)
			require.NotContains(t, body, "\x00", target)
			require.True(t, strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && json.Valid(w.Body.Bytes()) && !strings.ContainsAny(body, "<>") ||
				strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain"), "%s: %s", target, w.Header().Get("Content-Type"))
		}
		require.NotContains(t, do(o, local(http.MethodGet, "/tree.mmd", "")).Body.String(), "<i>", "Mermaid would show it as markup")
		require.Contains(t, do(o, local(http.MethodGet, "/tree.dot", "")).Body.String(), `\"<i>'&`)
	})
}

func TestThePrefixGetsItsSlash(t *testing.T) {
	o := observe(t, start(t, supervisor.Spec{}), observer.Spec{})
	h := http.StripPrefix("/debug/coppice", o)
	for target, want := range map[string]string{"/debug/coppice": "./coppice/", "/debug/coppice?x=1": "./coppice/"} {
		w := do(h, local(http.MethodGet, target, ""))
		require.Equal(t, http.StatusMovedPermanently, w.Code)
		require.Equal(t, want, w.Header().Get("Location"))
	}
	require.Equal(t, http.StatusOK, do(h, local(http.MethodGet, "/debug/coppice/", "")).Code)
	require.Equal(t, http.StatusOK, do(h, local(http.MethodGet, "/debug/coppice/tree.json", "")).Code)
}

func TestNothingIsRegisteredOnDefaultServeMux(t *testing.T) {
	for _, target := range []string{"/", "/debug/coppice/", "/tree.json", "/debug/coppice/tree.json"} {
		_, pattern := http.DefaultServeMux.Handler(local(http.MethodGet, target, ""))
		require.Empty(t, pattern, target)
	}
}
