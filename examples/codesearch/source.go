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

// source is what is kept of one source file.
type source struct {
	Path   string         `json:"path"`             // relative to the root, with slashes
	Broken string         `json:"broken,omitempty"` // why it could not be read or parsed in full
	Idents map[string]int `json:"idents,omitempty"` // identifier: how often it occurs
}

// list returns the Go files below root in lexical order. A directory that cannot be read is told to skipped and left out:
// one closed directory must not keep the rest of a tree out of the index.
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

// read parses one file and counts its identifiers. It never fails: of a file that does not parse (a Go toolchain holds
// many, as test data) the identifiers of the part that did are kept, with the reason beside them.
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
