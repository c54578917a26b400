package vet

import "golang.org/x/tools/go/analysis"

// Analyzers returns all analyzers of the package.
func Analyzers() []*analysis.Analyzer {
	return []*analysis.Analyzer{ready, readyErr, blocking, exit, goroutine, runState, restart, bubble}
}

const (
	module         = "github.com/coppice-go/coppice"
	childPath      = module + "/child"
	strategyPath   = module + "/strategy"
	supervisorPath = module + "/supervisor"
	testPath       = module + "/supervisortest"

	manual = "https://pkg.go.dev/" + module + "/contrib/vet"
)
