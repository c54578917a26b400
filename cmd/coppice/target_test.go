package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string]struct{ socket, tree, shown string }{
		"http://localhost:6060":                {"", "http://localhost:6060/debug/coppice/tree.json?path=%2Fshop", "http://localhost:6060/debug/coppice/"},
		"http://localhost:6060/":               {"", "http://localhost:6060/tree.json?path=%2Fshop", "http://localhost:6060/"},
		"https://h/a/b":                        {"", "https://h/a/b/tree.json?path=%2Fshop", "https://h/a/b/"},
		"http://h/a/?x=1#/tree?path=%2Fshop":   {"", "http://h/a/tree.json?path=%2Fshop", "http://h/a/"},
		"http://[::1]:6060":                    {"", "http://[::1]:6060/debug/coppice/tree.json?path=%2Fshop", "http://[::1]:6060/debug/coppice/"},
		"http://alice:secret@h":                {"", "http://alice:secret@h/debug/coppice/tree.json?path=%2Fshop", "http://alice:xxxxx@h/debug/coppice/"},
		"unix:/run/shop.sock":                  {"/run/shop.sock", "http://localhost/debug/coppice/tree.json?path=%2Fshop", "unix:/run/shop.sock:/debug/coppice/"},
		"unix:/run/shop.sock:/":                {"/run/shop.sock", "http://localhost/tree.json?path=%2Fshop", "unix:/run/shop.sock:/"},
		"unix:/run/a:b.sock:/p/q":              {"/run/a:b.sock", "http://localhost/p/q/tree.json?path=%2Fshop", "unix:/run/a:b.sock:/p/q/"},
		"unix:shop.sock":                       {"shop.sock", "http://localhost/debug/coppice/tree.json?path=%2Fshop", "unix:shop.sock:/debug/coppice/"},
		"unix:/run/\x1b[2J.sock":               {"/run/\x1b[2J.sock", "http://localhost/debug/coppice/tree.json?path=%2Fshop", `unix:/run/\x1b[2J.sock:/debug/coppice/`},
		"http://localhost:6060/debug/coppice/": {"", "http://localhost:6060/debug/coppice/tree.json?path=%2Fshop", "http://localhost:6060/debug/coppice/"},
	} {
		require.True(t, isURL(text))
		target, err := parseTarget(text)
		require.NoError(t, err, text)
		require.Equal(t, want.socket, target.socket, text)
		require.Equal(t, want.tree, target.at("tree.json", url.Values{"path": {"/shop"}}).String(), text)
		require.Equal(t, want.shown, target.String(), text)
	}
}

func TestMalformedURLs(t *testing.T) {
	for text, want := range map[string]string{
		"ftp://h":                     "a URL begins with unix:, http:// or https://",
		"http://":                     "has no host",
		"http:///p":                   "has no host",
		"unix:":                       "names no socket",
		"http://u:secret@h:port/":     "the URL is malformed",
		"http://u:secret@h\x00\x1b[/": "the URL is malformed",
	} {
		_, err := parseTarget(text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret")
		r := coppice(t, "tree", text)
		require.Equal(t, 2, r.status)
		require.NotContains(t, r.err, "\x1b")
	}
	for _, path := range []string{"/shop/db", "db", "shop:1", "/shop/unix:x"} {
		require.False(t, isURL(path))
	}
}
