package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
)

// defaultPrefix is the path of the page if the URL has none, as in the manual of package
// observer.
const defaultPrefix = "/debug/coppice/"

// A target is where the page of a tree is.
type target struct {
	socket string   // path of a Unix socket; empty for TCP
	base   *url.URL // of the page; its path ends with a slash
}

// isURL reports whether an argument is meant as a URL. All others are paths of children.
func isURL(arg string) bool {
	return strings.HasPrefix(arg, "unix:") || strings.Contains(arg, "://")
}

// parseTarget parses http://host/path, https://host/path, unix:/socket and
// unix:/socket:/path.
func parseTarget(text string) (target, error) {
	if rest, ok := strings.CutPrefix(text, "unix:"); ok {
		socket, path := rest, ""
		if at := strings.LastIndex(rest, ":/"); at > 0 {
			socket, path = rest[:at], rest[at+1:]
		}
		if socket == "" {
			return target{}, fmt.Errorf("%q names no socket: write unix:/path/of/socket", text)
		}
		return target{socket: socket, base: page(&url.URL{Scheme: "http", Host: "localhost", Path: path})}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err // without the text, which may hold a password
		}
		return target{}, fmt.Errorf("the URL is malformed: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, fmt.Errorf("%q: a URL begins with unix:, http:// or https://", u.Redacted())
	case u.Hostname() == "":
		return target{}, fmt.Errorf("%q has no host", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "":
		// A link copied from the browser has the view behind a "#".
		u.RawQuery, u.Fragment, u.RawFragment = "", "", ""
	}
	return target{base: page(u)}, nil
}

// page completes the path of a URL.
func page(u *url.URL) *url.URL {
	if u.Path == "" {
		u.Path = defaultPrefix
	}
	if !strings.HasSuffix(u.Path, "/") {
		return u.JoinPath("/")
	}
	return u
}

// at returns the URL of a view.
func (t target) at(view string, query url.Values) *url.URL {
	u := t.base.JoinPath(view)
	u.RawQuery = query.Encode()
	return u
}

// String returns the URL of the page as an operator writes it, without a password.
func (t target) String() string {
	if t.socket != "" {
		return oneline.Text("unix:" + t.socket + ":" + t.base.Path)
	}
	return oneline.Text(t.base.Redacted())
}
