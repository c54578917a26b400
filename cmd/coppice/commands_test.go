package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

func TestTreePrintsTheVerdictAndALineForEachChild(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, shop())
	r := coppice(t, "tree", f.URL)
	require.Equal(t, 1, r.status)
	require.Empty(t, r.err)
	golden(t, "tree", r.out)
}

func TestTreeOfAWellProgramHasStatusZero(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, well())
	r := coppice(t, "tree", f.URL)
	require.Equal(t, result{status: 0, out: r.out}, r)
	golden(t, "tree_well", r.out)
}

func TestTreeShowsOnlyWhatIsInTrouble(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, shop())
	r := coppice(t, "tree", "-trouble", f.URL)
	require.Equal(t, 1, r.status)
	golden(t, "tree_trouble", r.out)
}

func TestTheStatusOfAPartOfTheTreeIsItsOwn(t *testing.T) {
	for path, status := range map[string]int{"/shop/api": 0, "/shop/jobs": 0, "/shop/sessions": 0, "/shop/db": 1, "/shop/search": 1, "/shop/legacy-sync": 0, "/shop/exporter": 1} {
		f := newFake(t)
		tree := shop()
		for _, c := range tree.Tree.Children {
			if c.Path == path {
				tree.Tree = c
			}
		}
		f.answer("/tree.json", 200, tree)
		require.Equal(t, status, coppice(t, "tree", f.URL, path).status, path)
		require.Equal(t, []url.Values{{"path": {path}}}, f.queries("/tree.json"))
	}
}

func TestDeclaredChildrenThatAreFoldedCount(t *testing.T) {
	f := newFake(t)
	tree := well()
	tree.Tree.Paged, tree.Tree.Folds = true, []view.Fold{{Look: "waiting", N: 40, Trouble: 2, Text: refused}}
	f.answer("/tree.json", 200, tree)
	require.Equal(t, 1, coppice(t, "tree", f.URL, "/shop").status)
}

// pages answers children.json with rows in pages of two.
func pages(f *fake, rows []*view.Node) {
	f.mux.HandleFunc("/children.json", func(w http.ResponseWriter, r *http.Request) {
		at := 0
		if r.URL.Query().Get("cursor") == "b" {
			at = 2
		}
		c := view.Children{V: 1, Total: len(rows), Children: rows[at:min(at+2, len(rows))]}
		if at == 0 && len(rows) > 2 {
			c.Next = "b"
		}
		write(w, 200, c)
	})
}

func TestTreeWithAllReadsTheFoldedChildrenPageByPage(t *testing.T) {
	f := newFake(t)
	tree := well()
	n := tree.Tree
	n.Children[0].Supervisor, n.Children[0].Children = true, []*view.Node{{Name: "inner", Path: "/shop/api/inner", State: child.Running, Look: "running"}}
	n.Paged, n.Folds = true, []view.Fold{{Look: "running", N: 2}}
	f.answer("/tree.json", 200, tree)
	pages(f, []*view.Node{{Name: "a", Path: "/shop/a", Look: "running"}, {Name: "api", Path: "/shop/api", Look: "running", Supervisor: true}, {Name: "b", Path: "/shop/b", Look: "running"}})
	r := coppice(t, "tree", "-all", f.URL)
	require.Equal(t, 0, r.status, r.err)
	golden(t, "tree_all", r.out)
	require.Equal(t, []url.Values{{"path": {"/shop"}, "n": {"500"}}, {"path": {"/shop"}, "n": {"500"}, "cursor": {"b"}}}, f.queries("/children.json"))
}

func TestTreeWithAllAndJSONPrintsAChildALine(t *testing.T) {
	f := newFake(t)
	f.answer("/causes.json", 200, view.Causes{Head: well().Head})
	pages(f, []*view.Node{{Name: "a", Path: "/shop/a"}, {Name: "b", Path: "/shop/b"}, {Name: "c", Path: "/shop/c"}})
	r := coppice(t, "tree", "-all", "-json", "-trouble", f.URL)
	require.Equal(t, 0, r.status, r.err)
	require.Equal(t, 3, strings.Count(r.out, "\n"))
	require.Equal(t, url.Values{"n": {"500"}, "trouble": {"1"}}, f.queries("/children.json")[0])
	require.Equal(t, 2, coppice(t, "tree", "-all", "-json", f.URL, "/shop/a").status)
}

func TestACursorThatLeadsBackEndsTheReading(t *testing.T) {
	f := newFake(t)
	f.answer("/causes.json", 200, view.Causes{Head: well().Head})
	f.answer("/children.json", 200, view.Children{V: 1, Next: "again"})
	r := coppice(t, "tree", "-all", "-json", f.URL)
	require.Equal(t, 3, r.status)
	require.Contains(t, r.err, "leads back")
}

func TestTreeAtAMoment(t *testing.T) {
	for at, want := range map[string]string{
		"2026-11-27T02:52:30Z": "2026-11-27T02:52:30Z",
		"10m":                  "2026-11-27T02:53:21Z",
		"-10m":                 "2026-11-27T02:53:21Z",
		"02:52:30":             "2026-11-27T02:52:30Z",
		"02:52":                "2026-11-27T02:52:00Z",
		"23:00:00":             "2026-11-26T23:00:00Z", // yesterday
	} {
		f := newFake(t)
		f.answer("/causes.json", 200, view.Causes{Head: head()})
		tree := well()
		tree.At = now.Add(-10*time.Minute - 51*time.Second)
		tree.Tree.Children[0].Guess = true
		f.answer("/tree.json", 200, tree)
		r := coppice(t, "tree", f.URL, "-at", at)
		require.Equal(t, 0, r.status, r.err)
		require.Equal(t, []url.Values{{"at": {want}}}, f.queries("/tree.json"), at)
		golden(t, "tree_at", r.out)
	}
	r := coppice(t, "tree", "http://127.0.0.1:1", "-at", "yesterday")
	require.Equal(t, 2, r.status)
	require.Contains(t, r.err, "how long ago, such as 5m")
}

func TestTopPrintsCausesAndWhoRestartsMost(t *testing.T) {
	f := newFake(t)
	f.answer("/causes.json", 200, view.Causes{Head: head()})
	search := shop().Tree.Children[4].Children
	f.answer("/children.json", 200, view.Children{V: 1, Total: 3, Children: []*view.Node{shop().Tree.Children[5], search[0], search[2], search[1]}})
	r := coppice(t, "top", f.URL)
	require.Equal(t, 1, r.status)
	golden(t, "top", r.out)
	require.Equal(t, []url.Values{{"sort": {"restarts"}, "n": {"10"}}}, f.queries("/children.json"))

	r = coppice(t, "top", "-json", f.URL)
	require.Equal(t, 1, r.status)
	require.Contains(t, r.out, `{"causes":{"v":1,`)
}

func TestTopOfAWellProgram(t *testing.T) {
	f := newFake(t)
	f.answer("/causes.json", 200, view.Causes{Head: well().Head})
	f.answer("/children.json", 200, view.Children{V: 1})
	r := coppice(t, "top", f.URL)
	require.Equal(t, 0, r.status)
	golden(t, "top_well", r.out)
}

func TestWhyPrintsWhatLedToTheState(t *testing.T) {
	f := newFake(t)
	f.answer("/child", 200, exporter())
	f.answer("/events.json", 200, ledToIt())
	f.answer("/goroutines", 200, view.Goroutines{V: 1, At: now, All: 12, Labeled: 3, More: 1,
		Stacks: []view.Stack{{N: 2, Path: "/shop/exporter", Stack: "shop.(*Exporter).Run(...)\n\t/src/exporter.go:57"}}})
	r := coppice(t, "why", f.URL, "exporter")
	require.Equal(t, 1, r.status)
	golden(t, "why", r.out)
	require.Equal(t, []url.Values{{"path": {"exporter"}}}, f.queries("/child"))
	require.Equal(t, []url.Values{{"because": {"48010"}, "fold": {"0"}, "n": {"1000"}}}, f.queries("/events.json"))

	r = coppice(t, "why", f.URL, "exporter", "-stacks")
	golden(t, "why_stacks", r.out)
	require.Equal(t, []url.Values{{"path": {"/shop/exporter"}}}, f.queries("/goroutines"))

	r = coppice(t, "why", f.URL, "exporter", "-stacks", "-json")
	require.Equal(t, 1, r.status)
	require.Regexp(t, `^\{"child":\{.*"events":\{.*"goroutines":\{`, r.out)
}

func TestWhyOfAChildThatIsWell(t *testing.T) {
	f := newFake(t)
	c := exporter()
	c.Node = shop().Tree.Children[8]
	c.Say, c.Error, c.Why, c.History, c.Acts = "It runs.", "", 0, nil, nil
	f.answer("/child", 200, c)
	r := coppice(t, "why", f.URL, "/shop/api")
	require.Equal(t, 0, r.status)
	golden(t, "why_well", r.out)
	require.Empty(t, f.queries("/events.json"))
}

func TestWhyOfNoSuchChild(t *testing.T) {
	f := newFake(t)
	f.answer("/child", 404, view.Error{V: 1, Error: "/shop/nobody: no such child"})
	require.Equal(t, result{status: 1, err: "coppice: /shop/nobody: no such child\n"}, coppice(t, "why", f.URL, "/shop/nobody"))
}

func TestEventsPrintsTheOldestFirst(t *testing.T) {
	f := newFake(t)
	events := ledToIt()
	events.Events = append(events.Events, view.Event{Seq: 40000, Time: ago(21 * time.Hour), Kind: supervisor.EventFailed, Path: "/shop/sessions/s-7",
		N: 4000, Paths: 4000, TimeTo: ago(21*time.Hour - 6*time.Second), Err: refused, Reason: supervisor.ReasonGroup, By: "/shop/db", Lost: 3},
		view.Event{Seq: 39000, Time: ago(22 * time.Hour), Kind: supervisor.EventStatus, Path: "/shop/billing", Text: "standby", Reason: supervisor.ReasonRemoveChild})
	f.answer("/events.json", 200, events)
	r := coppice(t, "events", f.URL, "/shop", "-kind", "trouble", "-n", "50")
	require.Equal(t, 0, r.status, r.err)
	golden(t, "events", r.out)
	require.Equal(t, []url.Values{{"path": {"/shop"}, "kind": {"trouble"}, "n": {"50"}}}, f.queries("/events.json"))

	r = coppice(t, "events", f.URL, "-json")
	require.Equal(t, 5, strings.Count(r.out, "\n"))
	require.Equal(t, []string{"0"}, f.queries("/events.json")[1]["fold"])

	require.Empty(t, coppice(t, "events", f.URL, "-n", "0").out)
	require.Equal(t, 2, coppice(t, "events", f.URL, "-kind", "dance").status)
	require.Equal(t, 2, coppice(t, "events", f.URL, "-n", "1001").status)
}

func TestDumpPrintsEverything(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, shop())
	f.answer("/events.json", 200, ledToIt())
	f.answer("/goroutines", 200, view.Goroutines{V: 1, At: now, All: 12})
	f.answer("/children.json", 200, view.Children{V: 1, Children: []*view.Node{{Name: "s-1", Path: "/shop/sessions/s-1", Look: "running"}}})
	r := coppice(t, "dump", f.URL)
	require.Equal(t, 1, r.status)
	golden(t, "dump", strings.ReplaceAll(r.out, version(), "VERSION"))
	require.Equal(t, []url.Values{{"path": {"/shop"}}}, f.queries("/goroutines"))

	r = coppice(t, "dump", f.URL, "-json", "-force")
	require.Regexp(t, `^\{"children":\[\{.*"events":\{.*"goroutines":\{.*"tree":\{`, r.out)
	require.Equal(t, url.Values{"path": {"/shop"}, "force": {"1"}}, f.queries("/goroutines")[1])
}

func TestDumpGoesOnWithoutGoroutines(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, well())
	f.answer("/events.json", 200, view.Events{V: 1})
	f.answer("/goroutines", 429, view.Error{V: 1, Error: "there are 200,000 goroutines: add force=1"})
	r := coppice(t, "dump", f.URL)
	require.Equal(t, 0, r.status)
	require.Contains(t, r.err, "without goroutines: refused (429): there are 200,000 goroutines")
	require.Contains(t, r.out, "Events\n")
}

func TestVersion(t *testing.T) {
	f := newFake(t)
	f.answer("/causes.json", 200, view.Causes{Head: head()})
	require.Regexp(t, `^coppice \S+ go1\S*\n$`, coppice(t, "version").out)
	require.Regexp(t, `^coppice \S+ go1\S*\nshop v2026.11.3 go1.26.8 on shop-5d8c\n$`, coppice(t, "version", f.URL).out)
	require.Regexp(t, `"program":\{"name":"shop","version":"v2026.11.3","go":"go1.26.8","host":"shop-5d8c"\}`, coppice(t, "version", "-json", f.URL).out)
}
