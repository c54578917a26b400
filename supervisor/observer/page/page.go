// Package page holds the page of an observer, which runs in the browser. There is no build step, and nothing is fetched
// from elsewhere. Each file holds one idea:
//
//	index.html    the symbols, and the places that the rest fills
//	page.css      how it looks: colours, sizes, narrow windows, dark, print
//	page.js       when it asks the server, and what each button does
//	api.js        the requests, and the stream that says that something happened
//	state.js      what the address says, and what the server said last
//	clock.js      the server's clock, and durations in words
//	dom.js        elements from values, and the smallest change to what is shown
//	look.js       symbol, word and colour of each state and event
//	frame.js      what stands around the views, and what is shown without a tree
//	overview.js   is it well, why not, what comes next
//	tree.js       the tree, and lists of what a search finds
//	child.js      one child
//	timeline.js   what began when, and the slider
//	event.js      one event
//	dialog.js     the question before an action, and the list of keys
//	keys.js       the keyboard
//
// The modules import each other by relative names. They know the server by the JSON of package internal/view only.
package page

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Files are the files of the page. Its start is index.html.
//
//go:embed *.html *.css *.js
var Files embed.FS

// Handler serves the files by name, and index.html at "/". Other paths are answered with 404, and methods other than
// GET and HEAD with 405. The files refer to each other by relative addresses, so that the page works below any prefix.
//
// Handler sets no header for security. The files need only 'self' of a content security policy: no script, style or
// image stands in the document itself, except the icon (a data: image).
func Handler() http.Handler {
	served := map[string]file{}
	entries, err := Files.ReadDir(".")
	if err != nil {
		panic(err) // impossible: the files are part of the binary
	}
	for _, e := range entries {
		served["/"+e.Name()] = load(e.Name())
	}
	served["/"] = served["/index.html"]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := served[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			f.serve(w, r)
		}
	})
}

// A file is served packed where the browser permits it.
type file struct {
	kind          string
	plain, packed []byte
}

// kinds does not depend on the files of the operating system, as package mime does.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
}

func load(name string) file {
	text, err := fs.ReadFile(Files, name)
	if err != nil {
		panic(err) // impossible, as above
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the only error is an unknown level
	_, _ = z.Write(text)                                       // a bytes.Buffer takes everything
	_ = z.Close()
	return file{kind: kinds[path.Ext(name)], plain: text, packed: packed.Bytes()}
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Add("Vary", "Accept-Encoding")
	body := f.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the browser has gone: nobody is left to tell
	}
}

// acceptsGzip reports whether a browser that sent this Accept-Encoding takes gzip.
func acceptsGzip(accept string) bool {
	for coding := range strings.SplitSeq(accept, ",") {
		name, quality, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, q, weighed := strings.Cut(quality, "q=")
			zero, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			return !weighed || err == nil && zero > 0
		}
	}
	return false
}
