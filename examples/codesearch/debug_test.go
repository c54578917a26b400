package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fetch makes a request of its own connection and returns the status and the text of the answer.
func fetch(t *testing.T, method, url, body string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(soon(t), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Close = true
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(got)
}

// The demo writes each line with one call.
type onLine struct {
	bytes.Buffer
	line string
	do   func()
}

func (o *onLine) Write(p []byte) (int, error) {
	if o.do != nil && bytes.Contains(p, []byte(o.line)) {
		o.do()
		o.do = nil
	}
	return o.Buffer.Write(p)
}

func TestThePageAndTheProbesAnswerDuringTheDemo(t *testing.T) {
	root, _ := forest(t, 60)
	cfg := testConfig(t, root, newChaos())
	site := "http://" + cfg.debug.Addr().String()
	out := &onLine{line: "the tree, halfway"}
	out.do = func() {
		status, page := fetch(t, http.MethodGet, pageURL(cfg.debug), "")
		require.Equal(t, http.StatusOK, status, page)
		require.Contains(t, page, "<html")
		_, tree := fetch(t, http.MethodGet, pageURL(cfg.debug)+"tree.json", "")
		require.Contains(t, tree, `"/codesearch/journal"`)
		_, said := fetch(t, http.MethodGet, pageURL(cfg.debug)+"events.json?kind=status&path=/codesearch/journal", "")
		require.Contains(t, said, " files", "what a child says of itself")
		_, stacks := fetch(t, http.MethodGet, pageURL(cfg.debug)+"goroutines?path=/codesearch/debug", "")
		require.Contains(t, stacks, "httpserver", "by the label of the child")

		status, live := fetch(t, http.MethodGet, site+"/livez", "")
		require.Equal(t, http.StatusOK, status, live)
		status, started := fetch(t, http.MethodGet, site+"/startupz", "")
		require.Equal(t, http.StatusOK, status, started)
		_, ready := fetch(t, http.MethodGet, site+"/readyz", "") // depends on the crash of that moment
		require.Regexp(t, "^(not )?ready\n", ready)
	}
	require.NoError(t, demo(soon(t), cfg, 1, 20, false, out), out.String())
	require.Nil(t, out.do, "the demo was halfway once")
	require.Contains(t, out.String(), pageURL(cfg.debug))
}

// The page restarts children, and does nothing else to them. Its address stays the same when it restarts itself.
func TestThePageRestartsChildrenAndStopsNone(t *testing.T) {
	root, _ := forest(t, 3)
	svc := newService(testConfig(t, root, nil))
	require.NoError(t, svc.root.Start(soon(t)))
	defer func() { require.NoError(t, svc.root.Stop(context.Background())) }()

	act := func(action, name string, force bool) int {
		st, ok := svc.root.Lookup(name)
		require.True(t, ok)
		status, _ := fetch(t, http.MethodPost, pageURL(svc.debug)+"act",
			fmt.Sprintf(`{"path":%q,"action":%q,"run":%d,"force":%v}`, st.Path, action, st.Run, force))
		return status
	}
	before, _ := svc.root.Lookup("http")
	require.Equal(t, http.StatusOK, act("restart", "http", false))
	after, _ := svc.root.Lookup("http")
	require.Greater(t, after.Run, before.Run)
	for _, action := range []string{"stop", "start", "suspend", "resume"} {
		require.Equal(t, http.StatusForbidden, act(action, "http", false), action)
	}

	act("restart", "debug", true) // answers before the restart
	require.NoError(t, until(soon(t), svc.root, func() bool {
		st, _ := svc.root.Lookup("debug")
		return st.Run > 1 && svc.root.Health() == nil
	}))
	var tree struct{ V int }
	_, text := fetch(t, http.MethodGet, pageURL(svc.debug)+"tree.json", "")
	require.NoError(t, json.Unmarshal([]byte(text), &tree))
	require.Equal(t, 1, tree.V)
}
