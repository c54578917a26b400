package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/view"
)

func TestTheExitStatusSaysWhatWentWrong(t *testing.T) {
	plain := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Error(w, text, status) }
	}
	problem := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { write(w, status, view.Error{V: 1, Error: text}) }
	}
	html := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<p>hello"))
	}
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = w.Write([]byte(text))
		}
	}
	noPage := "URL is not a Coppice page: give the URL of the page, such as http://localhost:6060/debug/coppice/"
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		status int
		want   string
	}{
		{"forbidden", problem(403, "set Allow in observer.Spec"), 4, "refused (403): set Allow in observer.Spec"},
		{"unauthorized", plain(401, "who are you?"), 4, "refused (401): who are you?. Send credentials with -H"},
		{"no text", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, 4, "refused (403): Forbidden"},
		{"hostile text", problem(403, "\x1b[2J\nfoo\u202e"), 4, `refused (403): \x1b[2J; foo\u202e`},
		{"no such view", problem(404, "no such view"), 3, noPage},
		{"no such page", plain(404, "404 page not found"), 3, noPage},
		{"another page", html, 3, noPage},
		{"JSON, but none of ours", raw(`{"hello":`), 3, noPage},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://login/", http.StatusFound) }, 3, "URL redirects to https://login/: use the URL that it leads to"},
		{"before its memory", problem(410, "the observer remembers events since 03:00"), 2, "-at: the observer remembers events since 03:00"},
		{"no tree", problem(503, "there is no tree"), 3, "URL: there is no tree (503)"},
		{"another version", raw(`{"v":2}`), 3, "cannot read the answer of URL: it has version 2 of the format, and this command reads version 1. If the server is newer than this command, update it: go install github.com/coppice-go/coppice/cmd/coppice@latest"},
		{"a state of a later version", raw(`{"v":1,"tree":{"state":"dancing"}}`), 3, "cannot read the answer of URL: child: no such state: \"dancing\". If the server is newer than this command, update it: go install github.com/coppice-go/coppice/cmd/coppice@latest"},
		{"an array", raw(`[]`), 3, noPage},
		{"nothing", raw(""), 3, noPage},
		{"no tree in it", raw(`{"v":1}`), 3, noPage},
	} {
		f := newFake(t)
		f.mux.HandleFunc("/tree.json", c.answer)
		r := coppice(t, "tree", f.URL)
		want := strings.ReplaceAll(c.want, "URL", f.URL+"/debug/coppice/")
		want = strings.ReplaceAll(want, "the "+f.URL+"/debug/coppice/ of the page", "the URL of the page")
		want = strings.ReplaceAll(want, "use the "+f.URL+"/debug/coppice/ that", "use the URL that")
		require.Equal(t, result{status: c.status, err: "coppice: " + want + "\n"}, r, c.name)
	}
}

func TestAServerThatDoesNotAnswerInTime(t *testing.T) {
	f := newFake(t)
	f.mux.HandleFunc("/tree.json", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := coppice(t, "tree", f.URL, "-timeout", "10ms")
	require.Equal(t, 3, r.status)
	require.Equal(t, "coppice: "+f.URL+"/debug/coppice/: no answer within 10ms (-timeout)\n", r.err, "it was reached")

	f = newFake(t) // one that begins, and never ends
	f.mux.HandleFunc("/tree.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"v":1,`))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	r = coppice(t, "tree", f.URL, "-timeout", "100ms")
	require.Equal(t, 3, r.status)
	require.Contains(t, r.err, "(-timeout)")
}

func TestAnAnswerIsBounded(t *testing.T) {
	f := newFake(t)
	f.mux.HandleFunc("/tree.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		spaces := []byte(strings.Repeat(" ", 1<<20))
		for range 1 << 10 {
			if _, err := w.Write(spaces); err != nil {
				return
			}
		}
	})
	r := coppice(t, "tree", f.URL)
	require.Equal(t, 3, r.status)
	require.Contains(t, r.err, "the answer is larger than 64 MB")
}

func TestHeaders(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	require.NoError(t, os.WriteFile(file, []byte("X-Two: 2\n\nx-three:3\r\n"), 0o600))
	f := newFake(t)
	f.answer("/tree.json", 200, well())
	r := coppice(t, "tree", f.URL, "-H", "Authorization: Bearer abc: d", "-H", "@"+file, "-H", "X-Two: two", "-H", "Host: shop.internal")
	require.Equal(t, 0, r.status, r.err)
	got := f.asked[0].Header
	require.Equal(t, "Bearer abc: d", got.Get("Authorization"))
	require.Equal(t, []string{"2", "two"}, got["X-Two"])
	require.Equal(t, "3", got.Get("X-Three"))
	require.Equal(t, "shop.internal", f.asked[0].Host)
	require.Equal(t, "application/json", got.Get("Accept"))
}

func TestAMalformedHeaderIsNotShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "headers")
	require.NoError(t, os.WriteFile(file, []byte("secret"), 0o600))
	for _, value := range []string{"@" + file, "A B: secret", ": secret", "X: sec\x01ret"} {
		h := headers{}
		err := h.Set(value)
		require.Error(t, err, value)
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "\x01")
	}
}

func TestTheCertificateAuthority(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { write(w, 200, well()) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // that a client does not trust it
	server.StartTLS()
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	require.Equal(t, 0, coppice(t, "tree", server.URL+"/", "-cacert", file).status)
	r := coppice(t, "tree", server.URL+"/")
	require.Equal(t, 3, r.status)
	require.Contains(t, r.err, "certificate")

	require.NoError(t, os.WriteFile(file, []byte("none"), 0o600))
	require.Equal(t, 2, coppice(t, "tree", server.URL+"/", "-cacert", file).status)
}

func TestJSONIsPrintedAsTheServerSentIt(t *testing.T) {
	f := newFake(t)
	f.mux.HandleFunc("/tree.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{\"v\":1,\"state\":\"well\",\"new\":\"field \u202e \u009b \xff\",\"tree\":{\"name\":\"shop\"}}\n"))
	})
	r := coppice(t, "tree", f.URL, "-json")
	require.Equal(t, result{out: `{"v":1,"state":"well","new":"field \u202e \u009b ` + "\uFFFD" + `","tree":{"name":"shop"}}` + "\n"}, r)
}
