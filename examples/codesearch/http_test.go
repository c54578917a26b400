package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/stretchr/testify/require"
)

func get(t *testing.T, h http.Handler, url string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	return w
}

func TestHandlers(t *testing.T) {
	k := &keeper{}
	s := &server{keeper: k}
	h := s.routes(supervisor.New(supervisor.Spec{Name: "codesearch"}))

	require.Equal(t, http.StatusServiceUnavailable, get(t, h, "/search?q=x").Code, "no keeper")
	require.Equal(t, http.StatusServiceUnavailable, get(t, h, "/stats").Code, "no keeper")
	life, cancel := context.WithCancel(soon(t))
	defer cancel()
	ix := indexOf(append(someSources(60), source{Path: "x.go", Broken: "no", Idents: map[string]int{"main": 9}}))
	k.current.Set(child.FromContext(life), &store{index: ix, life: life})

	require.Equal(t, http.StatusBadRequest, get(t, h, "/search").Code)
	var answer found
	w := get(t, h, "/search?q=main")
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	require.Equal(t, 61, answer.Files)
	require.Len(t, answer.Hits, 50)
	require.Equal(t, hit{"x.go", 9}, answer.Hits[0])
	require.JSONEq(t, `{"query":"nothing","files":0,"hits":[]}`, get(t, h, "/search?q=nothing").Body.String())

	var sizes stats
	require.NoError(t, json.Unmarshal(get(t, h, "/stats").Body.Bytes(), &sizes))
	require.Equal(t, ix.stats(), sizes)

	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/crash/codesearch/http", nil))
	require.Equal(t, http.StatusNotFound, w.Code, "only with -chaos")
}

// A page of another site can send a POST, but the browser adds the origin of the page.
func TestCrashRejectsOtherOrigins(t *testing.T) {
	idle := &supervisortest.Child{}
	root := supervisor.New(supervisor.Spec{Name: "codesearch", Children: []child.Spec{{Name: "idle", Run: idle.Run}}})
	require.NoError(t, root.Start(t.Context()))
	defer func() { require.NoError(t, root.Stop(context.Background())) }()
	h := (&server{chaos: newChaos()}).routes(root)
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-site", http.StatusForbidden},
		{"Origin", "http://evil.example", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-origin", http.StatusNotFound},
		{"Origin", "http://example.com", http.StatusNotFound}, // the host of requests made by httptest
		{"User-Agent", "curl", http.StatusNotFound},
	} {
		r := httptest.NewRequest(http.MethodPost, "/crash/codesearch/nobody", nil)
		r.Header.Set(c.header, c.value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, "%s: %s", c.header, c.value)
	}
}

// Each child crashes on request over HTTP, and the service recovers at the same address.
func TestCrashOverHTTP(t *testing.T) {
	root, _ := forest(t, 12)
	svc := newService(testConfig(t, root, newChaos()))
	ctx, cancel := context.WithCancel(soon(t))
	served := make(chan error, 1)
	go func() { served <- svc.root.Serve(ctx) }()
	first, err := svc.server.bound.Get(ctx)
	require.NoError(t, err)

	whole := func() bool {
		crawler, _ := svc.root.Lookup("crawler")
		return svc.root.Health() == nil && crawler.State == child.Done && svc.indexed() == 12 && svc.jobs.Count().Specs == 0
	}
	for _, name := range []string{"journal", "jobs", "http", "journal"} {
		require.NoError(t, until(ctx, svc.root, whole))
		before, _ := svc.root.Lookup(name)
		addr, err := svc.server.bound.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, first, addr)
		require.Equal(t, http.StatusAccepted, post(t, "http://"+addr+"/crash/codesearch/"+name))
		require.NoError(t, until(ctx, svc.root, func() bool {
			now, _ := svc.root.Lookup(name)
			return now.Restarts > before.Restarts
		}))
	}
	require.NoError(t, until(ctx, svc.root, whole))
	require.Equal(t, http.StatusNotFound, post(t, "http://"+first+"/crash/codesearch/nobody"))
	require.Equal(t, http.StatusNotFound, post(t, "http://"+first+"/crash/codesearch"))
	require.Equal(t, http.StatusConflict, post(t, "http://"+first+"/crash/codesearch/crawler"), "the crawler is Done")

	cancel()
	require.NoError(t, <-served)
	_, err = http.Get("http://" + first + "/stats")
	require.Error(t, err, "the server must have stopped listening")
}

// post returns the status. If the server itself crashes, the connection may break after the status.
func post(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	require.NoError(t, err)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
