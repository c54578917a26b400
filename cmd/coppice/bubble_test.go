package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

// bubble runs a test with virtual time.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

var errAway = errors.New("connection refused")

// A wire is a server without sockets, for bubbles. It shows the tree that it holds, and
// streams what is sent.
type wire struct {
	mu      sync.Mutex
	tree    *view.Tree
	away    bool // nothing answers
	status  int  // of each answer; zero: 200
	reads   int  // of the tree
	streams []*io.PipeWriter
	after   []string // Last-Event-ID of each stream
	last    int      // number of the latest event
	tried   []time.Duration
	began   time.Time
}

func newWire() *wire { return &wire{tree: well(), began: time.Now(), last: 7} }

func (w *wire) client() *client {
	u, _ := url.Parse("http://shop/debug/coppice/")
	return &client{target: target{base: u}, timeout: 10 * time.Second, http: &http.Client{Transport: w}}
}

// RoundTrip answers a request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried = append(w.tried, time.Since(w.began))
	if w.away {
		return nil, errAway
	}
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
	if w.status != 0 {
		resp.StatusCode = w.status
		resp.Body = io.NopCloser(bytes.NewReader([]byte(`{"v":1,"error":"no"}`)))
		return resp, nil
	}
	switch r.URL.Path {
	case "/debug/coppice/tree.json":
		w.reads++
		w.tree.Now = time.Now()
		var b bytes.Buffer
		_ = encode(&b, w.tree)
		resp.Body = io.NopCloser(&b)
	case "/debug/coppice/events.json":
		resp.Body = io.NopCloser(bytes.NewReader(fmt.Appendf(nil, `{"v":1,"ring":{"last":%d},"events":[]}`, w.last)))
	case "/debug/coppice/events":
		in, out := io.Pipe()
		w.streams = append(w.streams, out)
		w.after = append(w.after, r.Header.Get("Last-Event-ID"))
		context.AfterFunc(r.Context(), func() { out.CloseWithError(context.Cause(r.Context())) })
		resp.Header.Set("Content-Type", "text/event-stream")
		resp.Body = in
	default:
		return nil, fmt.Errorf("no such view: %s", r.URL.Path)
	}
	return resp, nil
}

// send sends a text to the latest stream.
func (w *wire) send(text string) {
	synctest.Wait()
	w.mu.Lock()
	out := w.streams[len(w.streams)-1]
	w.mu.Unlock()
	_, _ = io.WriteString(out, text)
	synctest.Wait()
}

// tick says that something has happened.
func (w *wire) tick(seq int) {
	w.send(fmt.Sprintf("event: tick\nid: %d\ndata: {\"seq\":%[1]d}\n\n", seq))
}

// lose makes the server go away. With back it answers again.
func (w *wire) lose() {
	synctest.Wait()
	w.mu.Lock()
	w.away = true
	for _, s := range w.streams {
		s.CloseWithError(errAway)
	}
	w.mu.Unlock()
	synctest.Wait()
}

func (w *wire) back() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = false
}

// set changes the server.
func (w *wire) set(change func(w *wire)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// attempts returns when requests were made, in seconds, and forgets them.
func (w *wire) attempts() []float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []float64{}
	for _, d := range w.tried {
		all = append(all, d.Seconds())
	}
	w.tried = nil
	return all
}
