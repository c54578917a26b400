package observer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// runOf returns the run of a child as the page sees it.
func runOf(t *testing.T, h http.Handler, path string) uint64 {
	t.Helper()
	return get[view.Child](t, h, "/child?path="+path).Node.Run
}

func TestWithoutActNothingCanBeChanged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{})
		for _, a := range []view.Action{view.Restart, view.Stop, view.Start, view.Suspend, view.Resume} {
			w := post(o, view.Act{Path: "/shop/a", Action: a})
			require.Equal(t, http.StatusForbidden, w.Code)
			require.Contains(t, w.Body.String(), "set Act in observer.Spec")
		}
		require.Empty(t, get[view.Tree](t, o, "/tree.json").May)
		require.Empty(t, get[view.Child](t, o, "/child?path=a").Acts)
		st, _ := root.Lookup("a")
		require.Equal(t, child.Running, st.State)
	})
}

func TestActDecidesForEachActionAndPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}}})
		o := observe(t, root, observer.Spec{Act: func(r *http.Request, a observer.Action, path string) bool {
			return a == observer.Restart && path == "/shop/a" && r.Header.Get("Content-Type") != "no"
		}})
		require.Len(t, get[view.Child](t, o, "/child?path=a").Acts, 1)
		require.Empty(t, get[view.Child](t, o, "/child?path=b").Acts)
		run := runOf(t, o, "a")
		require.Equal(t, http.StatusForbidden, post(o, view.Act{Path: "/shop/a", Action: view.Stop, Run: run}).Code)
		require.Equal(t, http.StatusForbidden, post(o, view.Act{Path: "/shop/b", Action: view.Restart, Run: runOf(t, o, "b")}).Code)
		require.Equal(t, http.StatusForbidden, post(o, view.Act{Path: "/shop/none", Action: view.Restart}).Code, "it does not say that there is no such child")
		require.Equal(t, http.StatusOK, post(o, view.Act{Path: "/shop/a", Action: view.Restart, Run: run}).Code)
	})
}

func TestARequestForAnActionMustBeOneOfThePage(t *testing.T) {
	good := `{"path":"/shop/a","action":"stop"}`
	for _, c := range []struct {
		name, body string
		change     func(*http.Request)
		want       int
	}{
		{"cross-site", good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"same-site is another origin too", good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"another origin", good, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403},
		{"another port", good, func(r *http.Request) { r.Header.Set("Origin", "http://localhost:9999") }, 403},
		{"an opaque origin", good, func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"a form", good, func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415},
		{"plain text, which needs no preflight", good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415},
		{"no type", good, func(r *http.Request) { r.Header.Del("Content-Type") }, 415},
		{"too long", `{"path":"` + strings.Repeat("a", 1<<20) + `"}`, nil, 413},
		{"no JSON", `path=/shop/a`, nil, 400},
		{"two values", good + good, nil, 400},
		{"no action", `{"path":"/shop/a"}`, nil, 400},
		{"an unknown action", `{"path":"/shop/a","action":"kill"}`, nil, 400},
		{"no such child", `{"path":"/shop/z","action":"stop"}`, nil, 404},
		{"no path", `{"action":"stop"}`, nil, 404},
		{"another run", `{"path":"/shop/a","action":"stop","run":99}`, nil, 409},
		{"impossible now", `{"path":"/shop/a","action":"start","run":RUN}`, nil, 422},
		{"a child that is no supervisor", `{"path":"/shop/a","action":"suspend","run":RUN}`, nil, 422},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
				o := observe(t, root, observer.Spec{Act: anybody})
				run, _ := json.Marshal(runOf(t, o, "a"))
				r := local(http.MethodPost, "/act", strings.ReplaceAll(c.body, "RUN", string(run)))
				if c.change != nil {
					c.change(r)
				}
				w := do(o, r)
				require.Equal(t, c.want, w.Code, w.Body)
				require.True(t, json.Valid(w.Body.Bytes()))
				st, _ := root.Lookup("a")
				require.Equal(t, child.Running, st.State)
			})
		})
	}
}

func TestTheSameOriginAndProgramsMayAct(t *testing.T) {
	for _, site := range []string{"same-origin", "none", ""} {
		bubble(t, func(t *testing.T) {
			root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
			o := observe(t, root, observer.Spec{Act: anybody})
			body, _ := json.Marshal(view.Act{Path: "/shop/a", Action: view.Stop, Run: runOf(t, o, "a")})
			r := local(http.MethodPost, "/act", string(body))
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
				r.Header.Set("Origin", "http://localhost:6060")
			}
			require.Equal(t, http.StatusOK, do(o, r).Code)
			st, _ := root.Lookup("a")
			require.Equal(t, child.Stopped, st.State)
		})
	}
}

func TestEachActionDoesWhatItSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		starts := map[string]int{}
		counted := func(ctx child.Context) error { starts[ctx.Path()]++; return idle(ctx) }
		root := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "feeds", Run: supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: counted}, {Name: "b", Run: counted}}}).Run},
		}})
		o := observe(t, root, observer.Spec{Act: anybody})
		act := func(path string, a view.Action) view.Acted {
			t.Helper()
			w := post(o, view.Act{Path: path, Action: a, Run: runOf(t, o, path)})
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			var done view.Acted
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &done))
			return done
		}
		may := func(path string) (all []view.Action) {
			for _, c := range get[view.Child](t, o, "/child?path="+path).Acts {
				all = append(all, c.Action)
			}
			return all
		}
		state := func(path string) child.State {
			st, ok := root.Lookup(path)
			require.True(t, ok)
			return st.State
		}
		require.Equal(t, []view.Action{view.Suspend}, may("/shop"), "the root itself is stopped by the program only")
		require.Equal(t, []view.Action{view.Restart, view.Stop, view.Suspend}, may("/shop/feeds"))
		require.Equal(t, []view.Action{view.Restart, view.Stop}, may("/shop/feeds/a"))

		act("/shop/feeds/a", view.Restart)
		require.Equal(t, map[string]int{"/shop/feeds/a": 2, "/shop/feeds/b": 1}, starts)
		act("/shop/feeds/a", view.Stop)
		require.Equal(t, child.Stopped, state("/shop/feeds/a"))
		require.Equal(t, []view.Action{view.Start}, may("/shop/feeds/a"))
		act("/shop/feeds/a", view.Start)
		require.Equal(t, child.Running, state("/shop/feeds/a"))

		act("/shop/feeds", view.Suspend)
		require.ErrorIs(t, root.RestartChild(t.Context(), "/shop/feeds/a"), supervisor.ErrSuspended)
		w := post(o, view.Act{Path: "/shop/feeds/b", Action: view.Restart, Run: runOf(t, o, "/shop/feeds/b")})
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, "the call failed")
		require.Contains(t, w.Body.String(), "suspended")
		require.Equal(t, []view.Action{view.Restart, view.Stop, view.Resume}, may("/shop/feeds"))
		require.Equal(t, "127.0.0.1:50000", get[view.Child](t, o, "/child?path=feeds").Node.By, "who suspended it")
		act("/shop/feeds", view.Resume)
		require.Empty(t, get[view.Child](t, o, "/child?path=feeds").Node.By)
		require.NoError(t, root.RestartChild(t.Context(), "/shop/feeds/a"))
	})
}

func TestOnlyASupervisorCanBeSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{Act: anybody})
		for _, action := range []view.Action{view.Suspend, view.Resume} {
			w := post(o, view.Act{Path: "/shop/a", Action: action, Run: runOf(t, o, "a")})
			require.Equal(t, http.StatusUnprocessableEntity, w.Code)
			require.Contains(t, w.Body.String(), "/shop/a is not a supervisor: there is nothing to "+string(action)+" in it")
		}
	})
}

func TestAnActionThatFailsSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var broken atomic.Bool
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if broken.Load() {
				return errors.New("no such host")
			}
			return idle(ctx)
		}}, {Name: "late", StopTimeout: time.Second, Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			<-ctx.Done()
			time.Sleep(2 * time.Second)
			return nil
		}}}})
		o := observe(t, root, observer.Spec{Act: anybody})
		w := post(o, view.Act{Path: "/shop/late", Action: view.Stop, Run: runOf(t, o, "late")})
		require.Equal(t, http.StatusOK, w.Code, "it was done")
		require.Contains(t, w.Body.String(), "did not stop within 1s")
		broken.Store(true)
		w = post(o, view.Act{Path: "/shop/a", Action: view.Restart, Run: runOf(t, o, "a")})
		require.Equal(t, http.StatusUnprocessableEntity, w.Code)
		require.Contains(t, w.Body.String(), "no such host")
		time.Sleep(time.Second)
	})
}

func TestTheLogAndTheEventsSayWhoHasAsked(t *testing.T) {
	for name, c := range map[string]struct {
		who  func(*http.Request) string
		want string
	}{
		"by default the peer": {nil, "127.0.0.1:50000"},
		"a name":              {func(r *http.Request) string { return "alice" }, "alice"},
		"no name":             {func(r *http.Request) string { return "" }, "127.0.0.1:50000"},
		"a hostile name":      {func(r *http.Request) string { return "a\n\x1b[2J" }, `a; \x1b[2J`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
				o := observe(t, root, observer.Spec{Act: anybody, Who: c.who})
				require.Equal(t, http.StatusOK, post(o, view.Act{Path: "/shop/a", Action: view.Stop, Run: runOf(t, o, "a")}).Code)
				synctest.Wait() // for the events
				require.Equal(t, c.want, get[view.Child](t, o, "/child?path=a").Node.By)
				asked := get[view.Events](t, o, "/events.json?kind=request").Events
				require.Len(t, asked, 1)
				require.Equal(t, c.want, asked[0].By)
			})
		})
	}
}

func TestAnActionEndsWithItsRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "slow", StopTimeout: time.Hour, Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			<-ctx.Done()
			time.Sleep(time.Minute)
			return nil
		}}}})
		o := observe(t, root, observer.Spec{Act: anybody})
		body, _ := json.Marshal(view.Act{Path: "/shop/slow", Action: view.Stop, Run: runOf(t, o, "slow")})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		w := do(o, local(http.MethodPost, "/act", string(body)).WithContext(ctx))
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, http.StatusUnprocessableEntity, w.Code)
		time.Sleep(time.Hour)
	})
}

func TestAChoiceSaysWhomElseItConcerns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fails := func(ctx child.Context) error { _ = ctx.Ready(); return errors.New("boom") }
		root := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "feeds", Run: supervisor.New(supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
				{Name: "first", Run: idle},
				{Name: "dialer", Run: fails, Backoff: child.Constant(time.Minute)},
				{Name: "decoder", Run: idle, StopTimeout: 7 * time.Second},
			}}).Run},
		}})
		o := observe(t, root, observer.Spec{Act: anybody})
		time.Sleep(time.Second)
		restart := get[view.Child](t, o, "/child?path=/shop/feeds/dialer").Acts[0]
		require.Equal(t, []string{"/shop/feeds/decoder"}, restart.Also)
		whole := get[view.Child](t, o, "/child?path=/shop/feeds").Acts[0]
		require.Equal(t, 3, whole.AlsoN)
		require.Equal(t, 1, whole.WellN)
		require.Equal(t, "5s", whole.Longest, "those that run, one after another")
	})
}

// served starts a tree that serves its own page.
func served(t *testing.T, spec observer.Spec, others ...child.Spec) (root *supervisor.Supervisor, url string) {
	t.Helper()
	page := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		return &http.Server{Addr: "127.0.0.1:0", Handler: observer.New(ctx, spec)}, nil
	}})
	root = start(t, supervisor.Spec{Children: append(others, child.Spec{Name: "debug", Run: page.Run})})
	addr, err := page.Addr.Get(t.Context())
	require.NoError(t, err)
	return root, "http://" + addr.String()
}

func TestStoppingWhatServesThePageNeedsForceAndAnswersFirst(t *testing.T) {
	root, url := served(t, observer.Spec{Act: anybody}, child.Spec{Name: "a", Run: idle})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func(method, target string, body any, to any) int {
		t.Helper()
		text, _ := json.Marshal(body)
		r, _ := http.NewRequest(method, url+target, bytes.NewReader(text))
		r.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err = io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, to))
		return resp.StatusCode
	}
	var c view.Child
	require.Equal(t, 200, ask("GET", "/child?path=debug", nil, &c))
	require.True(t, c.Node.Serves)
	require.True(t, c.Acts[0].Force)
	stopped := root.Watch(t.Context(), "debug", supervisor.EventStopped)

	var no view.Error
	require.Equal(t, http.StatusPreconditionRequired, ask("POST", "/act", view.Act{Path: "/shop/debug", Action: view.Stop, Run: c.Node.Run}, &no))
	require.Contains(t, no.Error, "set force")
	var done view.Acted
	require.Equal(t, 200, ask("POST", "/act", view.Act{Path: "/shop/debug", Action: view.Stop, Run: c.Node.Run, Force: true}, &done))
	require.True(t, done.Later)
	<-stopped
	st, _ := root.Lookup("debug")
	require.Equal(t, child.Stopped, st.State)
}

// The new run of the child is well. What is worth a look is the old one.
func TestWhatLedToAnAbandonedRunIsThatItWasAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		first := true
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", StopTimeout: time.Second, Run: func(ctx child.Context) error {
			if first {
				first = false
				_ = ctx.Ready()
				<-release
				return nil
			}
			return idle(ctx)
		}}}})
		o := observe(t, root, observer.Spec{})
		ctx := supervisor.WithRequest(t.Context(), supervisor.Request{By: "ann"})
		require.Error(t, root.RestartChild(ctx, "a"))
		c := get[view.Child](t, o, "/child?path=a")
		require.Equal(t, "abandoned", c.Node.Look)
		var led []string
		for _, e := range get[view.Events](t, o, fmt.Sprintf("/events.json?because=%d&order=oldest", c.Why)).Events {
			led = append(led, e.Kind.String())
		}
		require.Equal(t, []string{"request", "abandoned"}, led)
		close(release)
		synctest.Wait()
		c = get[view.Child](t, o, "/child?path=a")
		require.Equal(t, "running", c.Node.Look)
		require.Equal(t, supervisor.EventReady, get[view.Events](t, o, fmt.Sprintf("/events.json?because=%d", c.Why)).Events[0].Kind)
	})
}
