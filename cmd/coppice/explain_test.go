package main

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/view"
)

func TestExplainPrintsWhatTheTreeWillDo(t *testing.T) {
	f := newFake(t)
	v := view.Explain{V: 1, Path: "/shop", Text: "/shop: one-for-one\n  stop:  at most 35s\n", Explanation: json.RawMessage(`{"path":"/shop"}`)}
	f.answer("/explain.json", 200, v)
	require.Equal(t, result{out: "/shop: one-for-one\n  stop:  at most 35s\n"}, coppice(t, "explain", f.URL))

	v.Problem = "/shop: a stop may take 35s\x1b[31m, and must take less than 30s"
	g := newFake(t)
	g.answer("/explain.json", 200, v)
	r := coppice(t, "explain", "-grace", "30s", g.URL, "/shop")
	require.Equal(t, 1, r.status)
	require.Equal(t, "/shop: one-for-one\n  stop:  at most 35s\n\n/shop: a stop may take 35s\\x1b[31m, and must take less than 30s\n", r.out)
	require.Equal(t, []url.Values{{"path": {"/shop"}, "grace": {"30s"}}}, g.queries("/explain.json"))

	r = coppice(t, "explain", "-json", g.URL)
	require.Equal(t, 1, r.status)
	require.Contains(t, r.out, `"explanation":{"path":"/shop"}`)
}
