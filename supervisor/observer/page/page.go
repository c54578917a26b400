// Package page holds the files of the observer's page.
package page

import (
	"embed"
	"net/http"
)

// Files are the files of the page. Its start is index.html.
//
//go:embed *.html *.css *.js
var Files embed.FS

// Handler serves the files by name, and index.html at "/".
func Handler() http.Handler { return http.FileServerFS(Files) }
