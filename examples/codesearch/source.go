package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// source is what the index keeps of a source file.
type source struct {
	Path   string         `json:"path"`             // relative to the root, with slashes
	Broken string         `json:"broken,omitempty"` // why it could not be read or parsed in full
	Idents map[string]int `json:"idents,omitempty"` // number of occurrences, by identifier
}

// list returns the Go files below root in lexical order. It skips a directory that it cannot read and passes the error to
// skipped: one unreadable directory must not keep the rest of the tree out of the index.
func list(root string, skipped func(error)) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && p == root:
			return err
		case err != nil:
			skipped(err)
		case d.Type().IsRegular() && strings.HasSuffix(p, ".go"):
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	return files, err
}

// read parses a file and counts its identifiers. It never fails. If a file does not parse (a Go toolchain has many such
// files as test data), it keeps the identifiers of the part that did, and the reason in Broken.
func read(root, rel string) source {
	s := source{Path: rel}
	src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(rel)))
	if err != nil {
		s.Broken = err.Error()
		return s
	}
	file, err := parser.ParseFile(token.NewFileSet(), rel, src, parser.SkipObjectResolution)
	if err != nil {
		s.Broken = err.Error()
	}
	if file == nil {
		return s
	}
	s.Idents = map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name != "_" {
			s.Idents[id.Name]++
		}
		return true
	})
	return s
}
