package observer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files have times
	os.Exit(m.Run())
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

var idle = testkit.Idle

// start starts a tree that is stopped at the end of the test.
func start(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	s := declare(spec)
	require.NoError(t, s.Start(context.Background()))
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

func declare(spec supervisor.Spec) *supervisor.Supervisor {
	if spec.Name == "" {
		spec.Name = "shop"
	}
	spec.Logger = slog.New(slog.DiscardHandler)
	return supervisor.New(spec)
}

// observe makes an observer of a root that ends with the test.
func observe(t *testing.T, root *supervisor.Supervisor, spec observer.Spec) *observer.Observer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	spec.Root = root
	return observer.New(ctx, spec)
}

// local makes a request as a browser on the same machine does.
func local(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "localhost:6060"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get decodes the answer to a request.
func get[T any](t *testing.T, h http.Handler, target string) T {
	t.Helper()
	w := do(h, local(http.MethodGet, target, ""))
	require.Equal(t, http.StatusOK, w.Code, "%s: %s", target, w.Body)
	var v T
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), target)
	return v
}

// golden compares a text with a file in testdata; with UPDATE=1 it writes the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if strings.HasSuffix(name, ".json") {
		var indented bytes.Buffer
		require.NoError(t, json.Indent(&indented, got, "", "  "))
		got = indented.Bytes()
	}
	file := "testdata/" + name
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "UPDATE=1 writes it")
	require.Equal(t, string(want), string(got), file)
}

// post requests an action.
func post(h http.Handler, act view.Act) *httptest.ResponseRecorder {
	body, _ := json.Marshal(act)
	return do(h, local(http.MethodPost, "/act", string(body)))
}

func anybody(*http.Request, observer.Action, string) bool { return true }
