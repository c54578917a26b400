package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC // the golden files have clock times
	os.Unsetenv("COPPICE_URL")
	goleak.VerifyTestMain(m)
}

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "go test -update writes it")
	require.Equal(t, string(want), got)
}

// result is what a command line has printed, and its exit status.
type result struct {
	out, err string
	status   int
}

// coppice runs a command line without a terminal.
func coppice(t *testing.T, args ...string) result {
	t.Helper()
	var out, stderr bytes.Buffer
	status := run(t.Context(), args, strings.NewReader(""), &out, &stderr)
	return result{out.String(), stderr.String(), status}
}

// now is the time at the fake server.
var now = time.Date(2026, 11, 27, 3, 3, 21, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// A fake is a server that plays the observer: it answers each view with what the test has
// set.
type fake struct {
	*httptest.Server
	mux *http.ServeMux

	mu    sync.Mutex
	asked []*http.Request
	posts []view.Act
}

// newFake returns a server whose page is at /debug/coppice/.
func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{mux: http.NewServeMux()}
	f.Server = httptest.NewServer(http.StripPrefix("/debug/coppice", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked = append(f.asked, r)
		f.mu.Unlock()
		f.mux.ServeHTTP(w, r)
	})))
	t.Cleanup(f.Close)
	return f
}

// queries returns what was asked of a view.
func (f *fake) queries(path string) (all []url.Values) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.asked {
		if r.URL.Path == path {
			all = append(all, r.URL.Query())
		}
	}
	return all
}

// answer makes the server answer a view with a value as JSON, or a problem.
func (f *fake) answer(path string, status int, v any) {
	f.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { write(w, status, v) })
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = encode(w, v)
}

// acts makes the server answer POST act.
func (f *fake) acts(answer func(view.Act) (int, any)) {
	f.mux.HandleFunc("POST /act", func(w http.ResponseWriter, r *http.Request) {
		var a view.Act
		if json.NewDecoder(r.Body).Decode(&a) != nil || r.Header.Get("Content-Type") != "application/json" {
			write(w, http.StatusBadRequest, view.Error{V: 1, Error: "no JSON"})
			return
		}
		f.mu.Lock()
		f.posts = append(f.posts, a)
		f.mu.Unlock()
		status, v := answer(a)
		write(w, status, v)
	})
}

// refused is the connection error of a database that is away.
const refused = "dial tcp 10.0.4.17:5432: connect: connection refused"

func of(s strategy.Strategy) *strategy.Strategy { return &s }

// shop is a tree in trouble of many kinds.
func shop() *view.Tree {
	leaf := func(path string, n view.Node) *view.Node {
		n.Path, n.Name = path, path[strings.LastIndex(path, "/")+1:]
		if n.Look == "" {
			n.Look = n.State.String()
		}
		if n.Since.IsZero() {
			n.Since = ago(6 * 24 * time.Hour)
		}
		return &n
	}
	run := child.Running
	sup := func(path string, n view.Node, children ...*view.Node) *view.Node {
		n.State, n.Supervisor, n.Children = run, true, children
		if n.Look == "waiting" {
			n.State = child.Waiting
		}
		return leaf(path, n)
	}
	jobs := make([]*view.Node, 25)
	for i := range jobs {
		jobs[i] = leaf("/shop/jobs/job-"+count(i+1), view.Node{State: run, Restart: child.Temporary, Dynamic: true, Since: ago(time.Duration(i) * time.Second)})
	}
	root := sup("/shop", view.Node{Strategy: of(strategy.OneForOne), Look: "degraded", Trouble: 2, All: 100035, Tr: 4004},
		leaf("/shop/debug", view.Node{State: run, Text: "serves this page on localhost:6060", Serves: true, Run: 2}),
		leaf("/shop/migrate", view.Node{State: child.Done, Restart: child.Transient, Text: "schema 88"}),
		leaf("/shop/db", view.Node{State: run, Look: "unready", Trouble: 2, Unready: refused, LastError: refused, LastErrorAt: ago(22 * time.Minute), Run: 4}),
		sup("/shop/sessions", view.Node{Strategy: of(strategy.Independent), All: 100000, Tr: 4000, Paged: true, Folds: []view.Fold{
			{Look: "waiting", N: 4000, Trouble: 2, Dynamic: true, Text: refused, Mask: "db", Restarts: view.Span{Min: 1, Max: 48}, Since: view.TimeSpan{From: ago(30 * time.Second), To: now},
				Next: view.TimeSpan{From: now, To: now.Add(30 * time.Second)}},
			{Look: "running", N: 96000, Since: view.TimeSpan{From: ago(6 * 24 * time.Hour), To: ago(time.Hour)}},
		}}),
		sup("/shop/search", view.Node{Strategy: of(strategy.RestForOne), All: 3, Tr: 2},
			leaf("/shop/search/index", view.Node{State: run, Look: "abandoned", Trouble: 1, Restarts: 3, Abandoned: 1, Run: 9, Text: "merging 12 of 64 segments", Since: ago(281 * time.Second)}),
			leaf("/shop/search/query", view.Node{State: run, Text: "41 queries/s"}),
			leaf("/shop/search/suggest", view.Node{State: child.Stopping, Look: "hung", Trouble: 3, Hung: true, Restarts: 1, Since: ago(12 * time.Second),
				StopBy: now.Add(18 * time.Second), LastError: "no heartbeat for 15s", LastErrorAt: ago(12 * time.Second)}),
		),
		leaf("/shop/exporter", view.Node{State: child.Waiting, Trouble: 2, Restarts: 6, Run: 77, Since: ago(17 * time.Second), NextStart: now.Add(13 * time.Second),
			LastError: "POST https://warehouse.internal/v2/batch: 503 Service Unavailable", LastErrorAt: ago(17 * time.Second)}),
		leaf("/shop/legacy-sync", view.Node{State: child.Stopped, By: "alice", Since: ago(49 * time.Hour)}),
		sup("/shop/jobs", view.Node{Strategy: of(strategy.Independent), All: 25}, jobs...),
		leaf("/shop/api", view.Node{State: run, Text: "1,204 requests/s"}),
	)
	return &view.Tree{Head: head(), Tree: root}
}

// head is the head of the answers about shop.
func head() view.Head {
	return view.Head{
		V: view.Version, Now: now, Name: "shop", Path: "/shop",
		State: view.Degraded, Since: ago(22*time.Minute + 14*time.Second), Started: ago(6 * 24 * time.Hour),
		Say:  "4,004 of 100,035 children are in trouble.",
		Host: "shop-5d8c", Version: "v2026.11.3", Go: "go1.26.8", Goroutines: 108412, Heap: 2 << 30,
		Children: 100035, Trouble: 4004,
		Ring:  view.Ring{First: 47981, Last: 48012, Kept: 32, From: ago(time.Hour)},
		Worst: &view.Worst{Path: "/shop/exporter", At: now.Add(163 * time.Second), Left: 5, Text: "If 5 more tries of /shop/exporter fail, 03:06:04 at the earliest, /shop gives up and the process ends."},
		Causes: []view.Cause{
			{ID: "exp", Look: "waiting", Trouble: 2, N: 1, Seen: 7, Text: "POST https://warehouse.internal/v2/batch: 503 Service Unavailable", First: ago(200 * time.Second), Last: ago(17 * time.Second),
				Path: "/shop/exporter", Deadline: "Ends the process after 5 more failures, 03:06:04 at the earliest.", Doing: "Waits; the delay has grown to 30s.", Next: "If 5 more tries fail, /shop gives up.", Safe: "Stop /shop/exporter: nothing else stops with it."},
			{ID: "db", Look: "waiting", Trouble: 2, N: 4001, Seen: 176204, Text: refused, First: ago(22*time.Minute + 14*time.Second), Last: ago(300 * time.Millisecond),
				Path: "/shop/db", Also: "/shop/sessions (4,000 of 100,000)", Doing: "Each of the 4,000 tries again every 30s.", Next: "Nothing gives up because of this error."},
			{ID: "hung", Look: "hung", Trouble: 3, N: 1, Seen: 1, Text: "no heartbeat for 15s", First: ago(12 * time.Second), Last: ago(12 * time.Second), Path: "/shop/search/suggest",
				Doing: "It was asked to stop.", Next: "If it has not returned by 03:03:39 it is abandoned, and a new run starts."},
		},
		Recovered: []view.Recovered{{Path: "/shop/feeds/dialer", Paths: 3, Text: "read: unexpected EOF", N: 214, Down: 8609 * time.Millisecond, At: ago(11 * time.Minute), With: "decoder, publisher"}},
	}
}

// well is a tree without trouble.
func well() *view.Tree {
	h := head()
	h.State, h.Say, h.Worst, h.Causes, h.Recovered, h.Children, h.Trouble = view.Well, "All 1 children are as they should be.", nil, nil, nil, 1, 0
	return &view.Tree{Head: h, Tree: &view.Node{Name: "shop", Path: "/shop", State: child.Running, Look: "running", Supervisor: true, Strategy: of(strategy.OneForOne),
		Since: ago(time.Hour), All: 1, Children: []*view.Node{{Name: "api", Path: "/shop/api", State: child.Running, Look: "running", Since: ago(time.Hour)}}}}
}

// exporter is the view of a child in trouble.
func exporter() *view.Child {
	n := *shop().Tree.Children[5]
	return &view.Child{
		V: view.Version, Now: now, Node: &n, Say: "It waits for its next start; it has failed 7 times.", Why: 48010,
		Error: "POST https://warehouse.internal/v2/batch: 503 Service Unavailable\nrequest 4711",
		Next: []view.Next{{At: n.NextStart, Text: "Start: run 78. Nothing goes along."},
			{Text: "If 5 more fail, /shop gives up."}},
		Acts:    []view.Choice{{Action: view.Restart, Run: 77, Longest: "5s", Text: "Starts it now."}, {Action: view.Stop, Run: 77, Longest: "5s", Text: "Stops it."}},
		History: &view.History{Failures: 7, First: ago(200 * time.Second), FirstText: "POST https://warehouse.internal/v2/batch: 503 Service Unavailable"},
		Panic:   &view.Panic{Run: 2, At: ago(time.Hour), Text: "panic: index out of range", Stack: "shop.(*Exporter).Run(0xc00)\n\t/src/exporter.go:57"},
	}
}

// ledToIt are the events that led to the state of exporter, the latest first.
func ledToIt() *view.Events {
	return &view.Events{V: view.Version, From: ago(time.Hour), To: now, Ring: head().Ring, Events: []view.Event{
		{Seq: 48010, Time: ago(17 * time.Second), Kind: supervisor.EventRestarting, Path: "/shop/exporter", Run: 77, Restarts: 6, Delay: "30s", Because: 48009,
			Err: "POST https://warehouse.internal/v2/batch: 503 Service Unavailable"},
		{Seq: 48009, Time: ago(17 * time.Second), Kind: supervisor.EventFailed, Path: "/shop/exporter", Run: 77, Because: 47700,
			Err: "POST https://warehouse.internal/v2/batch: 503 Service Unavailable"},
		{Seq: 47700, Time: ago(47 * time.Second), Kind: supervisor.EventRequest, Path: "/shop/exporter", Reason: supervisor.ReasonRestartChild, By: "bob@ops-3", Because: 47100},
	}}
}

// encode writes a value as JSON.
func encode(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
