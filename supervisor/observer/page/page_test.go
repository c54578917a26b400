package page_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer/page"
)

// files returns the text of each file of the page, by name.
func files(t *testing.T) map[string]string {
	t.Helper()
	entries, err := page.Files.ReadDir(".")
	require.NoError(t, err)
	texts := map[string]string{}
	for _, e := range entries {
		text, err := page.Files.ReadFile(e.Name())
		require.NoError(t, err)
		texts[e.Name()] = string(text)
	}
	for _, name := range []string{"index.html", "page.css", "page.js"} {
		require.Contains(t, texts, name)
	}
	return texts
}

// get asks the handler as it is mounted in a program, below a prefix.
func get(t *testing.T, method, target, accept string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	w := httptest.NewRecorder()
	http.StripPrefix("/debug/coppice", page.Handler()).ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(text)
}

func TestThePageLoadsInUnder50KB(t *testing.T) {
	plain, packed := 0, 0
	for name, text := range files(t) {
		plain += len(text)
		packed += len(body(t, get(t, "GET", "/debug/coppice/"+name, "gzip")))
	}
	t.Logf("%d bytes, %d as a browser loads them", plain, packed)
	require.Less(t, packed, 50_000)
	require.Less(t, plain, 100_000, "for what does not accept gzip")
}

func TestEachFileIsServedWithItsKind(t *testing.T) {
	kinds := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
	for name, text := range files(t) {
		plain := get(t, "GET", "/debug/coppice/"+name, "")
		require.Equal(t, kinds[path.Ext(name)], plain.Header.Get("Content-Type"), name)
		require.Empty(t, plain.Header.Get("Content-Encoding"), name)
		require.Equal(t, text, body(t, plain), name)

		packed := get(t, "GET", "/debug/coppice/"+name, "deflate, gzip;q=0.5")
		require.Equal(t, "gzip", packed.Header.Get("Content-Encoding"), name)
		require.Equal(t, "Accept-Encoding", packed.Header.Get("Vary"), name)
		z, err := gzip.NewReader(packed.Body)
		require.NoError(t, err)
		unpacked, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, text, string(unpacked), name)
	}
}

func TestWhatTheHandlerAnswers(t *testing.T) {
	start := files(t)["index.html"]
	for _, test := range []struct {
		method, target, accept string
		status                 int
		body                   string
	}{
		{"GET", "/debug/coppice/", "", 200, start},
		{"GET", "/debug/coppice/", "gzip;q=0", 200, start},
		{"GET", "/debug/coppice/", "gzip; q=none", 200, start},
		{"GET", "/debug/coppice/", "br", 200, start},
		{"HEAD", "/debug/coppice/", "gzip", 200, ""},
		{"POST", "/debug/coppice/", "", 405, "method not allowed\n"},
		{"GET", "/debug/coppice/page.go", "", 404, "404 page not found\n"},
		{"GET", "/debug/coppice/../page.js", "", 404, "404 page not found\n"},
		{"GET", "/debug/coppice/sub/page.js", "", 404, "404 page not found\n"},
	} {
		r := get(t, test.method, test.target, test.accept)
		require.Equal(t, test.status, r.StatusCode, test)
		require.Equal(t, test.body, body(t, r), test)
	}
	require.Equal(t, "GET, HEAD", get(t, "DELETE", "/debug/coppice/", "").Header.Get("Allow"))
}

// A content security policy that has only 'self' is what keeps a text of a child from becoming a script.
func TestNoScriptOrStyleIsInline(t *testing.T) {
	for name, text := range files(t) {
		for _, bad := range []string{
			`<script(\s[^>]*)?>\s*[^<\s]`, `<style`, `\sstyle\s*=\s*["']`, `\son[a-z]+\s*=\s*["']`, // in HTML
			`innerHTML`, `outerHTML`, `insertAdjacentHTML`, `document\.write`, `\beval\(`, `new Function`, `DOMParser`, `javascript:`, // in scripts
			`@import`, `expression\(`, `url\(`, // in style sheets
		} {
			require.False(t, regexp.MustCompile(bad).MatchString(text), "%s in %s", bad, name)
		}
	}
}

// Every address is relative, so that the page works below any prefix, and nothing comes from another host.
func TestEveryAddressIsRelative(t *testing.T) {
	texts := files(t)
	for name, text := range texts {
		text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")
		require.NotContains(t, text, "://", name)
		for _, found := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			require.NotRegexp(t, `^/`, found[1], name)
		}
	}
}

func TestTheModulesFindEachOther(t *testing.T) {
	texts := files(t)
	imported := map[string]bool{"page.js": true, "index.html": true, "page.css": true}
	for name, text := range texts {
		for _, found := range regexp.MustCompile(`(?m)^import (?:(?:\* as \w+|\{([^}]*)\}) )from '\./([^']*)'`).FindAllStringSubmatch(text, -1) {
			names, from := found[1], found[2]
			require.Contains(t, texts, from, "imported by %s", name)
			imported[from] = true
			for each := range strings.SplitSeq(names, ",") {
				each, _, _ = strings.Cut(strings.TrimSpace(each), " as ")
				if each != "" {
					require.Regexp(t, `(?m)^export (async )?(function|const|class|let) `+regexp.QuoteMeta(each)+`[ (]`, texts[from], "%s imports it", name)
				}
			}
		}
	}
	for name := range texts {
		require.True(t, imported[name], "%s is never used", name)
	}
}

// Every kind of event, every look and every state has its picture and its word.
func TestEverythingHasAPicture(t *testing.T) {
	texts := files(t)
	for kind := supervisor.EventStarting; kind <= supervisor.EventOver; kind++ {
		require.Regexp(t, `(^|[\s{,'])`+regexp.QuoteMeta(kind.String())+`'?: '\w+',`, block(t, texts["look.js"], "kinds"), kind)
	}
	looks := regexp.MustCompile(`(?m)^\t(\w+): \[`).FindAllStringSubmatch(block(t, texts["look.js"], "looks"), -1)
	require.Len(t, looks, 17)
	for _, look := range looks {
		require.Contains(t, texts["index.html"], `<symbol id="y-`+look[1]+`"`)
	}
	for _, kind := range regexp.MustCompile(`: '(\w+)'`).FindAllStringSubmatch(block(t, texts["look.js"], "kinds"), -1) {
		require.Contains(t, texts["index.html"], `<symbol id="y-`+kind[1]+`"`)
	}
}

// block returns the text of an object literal.
func block(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "export const "+name+" = {")
	require.True(t, found, name)
	inside, _, _ := strings.Cut(rest, "\n}")
	return inside
}
