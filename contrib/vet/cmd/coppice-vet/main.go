// Command coppice-vet finds mistakes in the use of Coppice. Run it by go vet:
//
//	go vet -vettool=$(which coppice-vet) ./...
//
// Package vet describes what it finds.
package main

import (
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/coppice-go/coppice/contrib/vet"
)

func main() { unitchecker.Main(vet.Analyzers()...) }
