package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
)

// acting returns a server that shows exporter and answers actions.
func acting(t *testing.T, answer func(view.Act) (int, any)) *fake {
	f := newFake(t)
	f.answer("/child", 200, exporter())
	f.acts(answer)
	return f
}

func done(view.Act) (int, any) { return 200, view.Acted{V: 1, Seq: 9, Run: 78} }

func TestAnActionIsForTheRunThatIsSeen(t *testing.T) {
	f := acting(t, done)
	for _, action := range []string{"restart", "stop", "start", "suspend", "resume"} {
		r := coppice(t, action, f.URL, "exporter")
		require.Equal(t, 0, r.status, r.err)
		require.Regexp(t, `^/shop/exporter: (restarted|stopped|started|suspended|resumed), run 78 \(0(\.\d)?s\)\n$`, r.out)
		require.Equal(t, view.Act{Path: "/shop/exporter", Action: view.Action(action), Run: 77}, f.posts[len(f.posts)-1])
	}
	coppice(t, "stop", f.URL, "/shop/exporter", "-run", "5")
	require.Equal(t, uint64(5), f.posts[len(f.posts)-1].Run)
}

func TestAnActionThatIsNotDone(t *testing.T) {
	for _, c := range []struct {
		status int
		answer any
		exit   int
		want   string
	}{
		{409, view.Conflict{V: 1, Error: "another run", NowRun: 80}, 4, "not done: /shop/exporter has run 80 by now, and not run 77. Look again before you act"},
		{403, view.Error{V: 1, Error: "read-only"}, 4, "refused (403): read-only"},
		{428, view.Error{V: 1, Error: "set force"}, 4, "refused (428): set force"},
		{404, view.Error{V: 1, Error: "no such child"}, 1, "no such child"},
		{422, view.Error{V: 1, Error: "/shop/exporter: start failed"}, 1, "/shop/exporter: start failed"},
		{200, view.Acted{V: 1, Run: 78, Note: "run 77 was abandoned"}, 1, "/shop/exporter: restarted, but: run 77 was abandoned"},
		{503, view.Error{V: 1, Error: "no tree"}, 3, "URL: no tree (503)"},
	} {
		f := acting(t, func(view.Act) (int, any) { return c.status, c.answer })
		want := strings.ReplaceAll(c.want, "URL", f.URL+"/debug/coppice/")
		require.Equal(t, result{status: c.exit, err: "coppice: " + want + "\n"}, coppice(t, "restart", f.URL, "exporter"))
	}
}

func TestAnActionOnNoSuchChild(t *testing.T) {
	f := newFake(t)
	f.answer("/child", 404, view.Error{V: 1, Error: "no child has the path \"x\" now"})
	require.Equal(t, 1, coppice(t, "stop", f.URL, "x").status)
}

func TestAnActionThatTakesTooLong(t *testing.T) {
	f := newFake(t)
	f.answer("/child", 200, exporter())
	f.mux.HandleFunc("POST /act", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then the server does not notice that the client leaves
		<-r.Context().Done()
	})
	r := coppice(t, "stop", f.URL, "exporter", "-timeout", "200ms")
	require.Equal(t, 3, r.status)
	require.NotContains(t, r.err, "cannot reach", "it was reached")
	require.Contains(t, r.err, "no answer within 200ms (-timeout). What was begun goes on: coppice why "+f.URL+"/debug/coppice/ /shop/exporter shows how it is")
}

func TestStoppingWhatServesThePageNeedsForce(t *testing.T) {
	f := newFake(t)
	c := exporter()
	c.Acts[1].Force = true
	f.answer("/child", 200, c)
	gone := false
	f.acts(func(view.Act) (int, any) {
		gone = true
		return 200, view.Acted{V: 1, Later: true}
	})
	r := coppice(t, "stop", f.URL, "exporter")
	require.Equal(t, result{status: 4, err: "coppice: /shop/exporter serves the page, which goes away with it: add -force\n"}, r)
	require.False(t, gone)

	c.Node.State, c.Node.Look = child.Stopped, "stopped"
	r = coppice(t, "stop", "-force", f.URL, "exporter")
	require.Equal(t, 0, r.status, r.err)
	require.True(t, f.posts[0].Force)
}

// inProcess is a server without sockets, for bubbles.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, r.Context().Err()
}

// later carries out an action with -force at a server that answers first and acts then. It
// shows the child with each of the statuses in turn, and after them the last one. A zero
// status is a server that is away.
func later(t *testing.T, action view.Action, nodes ...view.Node) (out string, err error) {
	accepted := false
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/coppice/child", func(w http.ResponseWriter, r *http.Request) {
		c := exporter()
		if accepted {
			c.Node, nodes = &nodes[0], nodes[min(1, len(nodes)-1):]
			c.Node.Path = "/shop/exporter"
			if c.Node.Run == 0 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
		}
		write(w, 200, c)
	})
	mux.HandleFunc("POST /debug/coppice/act", func(w http.ResponseWriter, r *http.Request) {
		accepted = true
		write(w, 200, view.Acted{V: 1, Later: true})
	})
	c := newWire().client()
	c.http.Transport = inProcess{mux}
	var b bytes.Buffer
	s := &session{client: c, path: "exporter", out: &output{w: &b}}
	err = (&act{action: action, done: "done", force: true}).carryOut(t.Context(), s)
	return b.String(), err
}

func TestAnActionThatIsCarriedOutLaterIsAwaited(t *testing.T) {
	bubble(t, func(t *testing.T) {
		out, err := later(t, view.Restart, view.Node{}, view.Node{Run: 77, State: child.Stopping}, view.Node{Run: 78, State: child.Starting}, view.Node{Run: 78, State: child.Running})
		require.NoError(t, err)
		require.Equal(t, "/shop/exporter: done, run 78 (1.4s)\n", out)

		_, err = later(t, view.Restart, view.Node{Run: 78, State: child.Stopped, LastError: "port in use"})
		require.EqualError(t, err, "/shop/exporter did not become ready, and is stopped: port in use")
		require.Equal(t, exitTrouble, statusOf(err))

		began := time.Now()
		_, err = later(t, view.Restart, view.Node{Run: 77, State: child.Stopping})
		require.ErrorContains(t, err, "the action was accepted, but its effect was not seen: no answer within 10s (-timeout)")
		require.Equal(t, exitReach, statusOf(err))
		require.Equal(t, 10*time.Second, time.Since(began))

		_, err = later(t, view.Stop, view.Node{})
		require.NoError(t, err, "the page is gone")
		_, err = later(t, view.Stop, view.Node{Run: 77, State: child.Stopping}, view.Node{Run: 77, State: child.Stopped})
		require.NoError(t, err)
	})
}

func TestOnATerminalOthersAreConfirmed(t *testing.T) {
	c := exporter()
	choice := &view.Choice{Action: view.Stop, AlsoN: 30, WellN: 28, Also: []string{"/shop/\x1b[2Ja", "/shop/b"}, Longest: "10s", Text: "Stops it and all after it."}
	for answer, ok := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "": false, "yet\n": false} {
		var out bytes.Buffer
		s := &session{in: strings.NewReader(answer), out: &output{w: &out}, screen: screen{terminal: true}}
		err := (&act{}).confirm(t.Context(), s, c, choice)
		require.Equal(t, ok, err == nil, answer)
		if !ok {
			require.Equal(t, exitRefused, statusOf(err))
		}
		golden(t, "confirm", out.String())
	}
	for _, s := range []*session{{}, {screen: screen{terminal: true}}} { // no terminal, -yes, nobody else
		a := &act{yes: s.screen.terminal}
		require.NoError(t, a.confirm(t.Context(), s, c, choice))
		require.NoError(t, (&act{}).confirm(t.Context(), s, c, &view.Choice{}))
	}
}

func TestCtrlCAtTheQuestionDoesNothing(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close() // ends the reading
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &session{in: in, out: &output{w: io.Discard}, screen: screen{terminal: true}}
	err := (&act{}).confirm(ctx, s, exporter(), &view.Choice{AlsoN: 1})
	require.EqualError(t, err, "not confirmed: nothing was done")
	require.Equal(t, exitRefused, statusOf(err))
}
