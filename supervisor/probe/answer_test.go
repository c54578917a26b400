package probe_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/probe"
)

func TestAnswersAreForGetAndHeadAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := nested("shop")
		serve(t, root)
		h := of(root)
		for _, c := range []struct {
			method, url string
			code        int
			body        string
		}{
			{"GET", "/livez", 200, "live\n"},
			{"HEAD", "/livez", 200, "live\n"}, // net/http does not send the body
			{"GET", "/readyz?x=y", 200, "ready\n"},
			{"GET", "/startupz", 200, "started\n"},
			{"POST", "/livez", 405, "use GET or HEAD\n"},
			{"OPTIONS", "/readyz", 405, "use GET or HEAD\n"},
			{"GET", "/", 404, "the probes are /livez, /readyz and /startupz\n"},
			{"GET", "/livez/", 404, "the probes are /livez, /readyz and /startupz\n"},
			{"POST", "/healthz", 404, "the probes are /livez, /readyz and /startupz\n"},
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(c.method, c.url, nil))
			require.Equal(t, c.code, w.Code, "%s %s", c.method, c.url)
			require.Equal(t, c.body, w.Body.String())
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			if c.code == 405 {
				require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
			}
		}
	})
}

func TestRequestThatBelongsToNoTreeIsAMistakeOfTheProgram(t *testing.T) {
	for _, url := range []string{"/livez", "/readyz", "/startupz"} {
		code, lines := get(probe.New(probe.Spec{}), url)
		require.Equal(t, 500, code)
		require.Contains(t, lines[0], "set probe.Spec.Root")
	}
}

func TestVerboseShowsWhatDoesNotCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := nested("shop", child.Spec{Name: "db", Run: idle}, child.Spec{Name: "debug", Run: idle})
		h := of(root, "debug", "debgu\x1b[2J", "/shop")
		serve(t, root)
		h2 := of(root, "debug", "jobs/mail")
		for url, want := range map[string]string{
			"/livez":            "live",
			"/livez?verbose":    "live|Spec.Optional has no such child now: jobs/mail",
			"/readyz?verbose=1": "ready|Spec.Optional has no such child now: jobs/mail",
		} {
			_, lines := get(h2, url)
			require.Equal(t, want, strings.Join(lines, "|"))
		}
		require.NoError(t, root.StopChild(t.Context(), "db", "debug"))
		for url, want := range map[string]string{
			"/livez":            "live",
			"/livez?verbose":    "live|does not count: /shop/db: not ready: stopped|optional: /shop/debug: not ready: stopped|Spec.Optional has no such child now: jobs/mail",
			"/readyz":           "not ready|/shop/db: not ready: stopped",
			"/readyz?verbose":   "not ready|/shop/db: not ready: stopped|optional: /shop/debug: not ready: stopped|Spec.Optional has no such child now: jobs/mail",
			"/startupz?verbose": "started|does not count: /shop/db: not ready: stopped|optional: /shop/debug: not ready: stopped|Spec.Optional has no such child now: jobs/mail",
		} {
			_, lines := get(h2, url)
			require.Equal(t, want, strings.Join(lines, "|"))
		}
		_, lines := get(h, "/readyz?verbose")
		require.Equal(t, "ready|optional: /shop/db: not ready: stopped|optional: /shop/debug: not ready: stopped|"+`Spec.Optional has no such child now: debgu\x1b[2J`, strings.Join(lines, "|"))
	})
}

// spiteful is an error whose method panics.
type spiteful struct{}

func (s spiteful) Error() string { panic(s) }

func TestAnswerIsBoundedAndHarmlessHoweverManyChildrenFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		texts := []error{errAway, errors.New("<script>alert(1)</script>\x1b[2J\u202e\xff\r\nx: y"), spiteful{}}
		long := errors.New(strings.Repeat("\x00ä", 1<<19))
		root := nested("shop")
		var specs []child.Spec
		for i := range 10_000 {
			specs = append(specs, child.Spec{Name: fmt.Sprint("c", i), Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				if i == 3 {
					ctx.Unready(long)
				} else {
					ctx.Unready(texts[i%len(texts)])
				}
				<-ctx.Done()
				return nil
			}})
		}
		require.NoError(t, root.Upgrade(supervisor.Spec{Name: "shop", Logger: quiet, Children: specs}))
		serve(t, root)
		for _, url := range []string{"/readyz", "/readyz?verbose", "/livez?verbose"} {
			w := httptest.NewRecorder()
			of(root).ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
			body := w.Body.String()
			require.Less(t, w.Body.Len(), 16<<10, url)
			require.True(t, utf8.ValidString(body))
			lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
			require.Len(t, lines, 52)
			for _, line := range lines {
				require.Equal(t, oneline.Text(line), line)
			}
			require.Equal(t, "and 9950 more", lines[51])
		}
	})
}
