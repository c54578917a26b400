package coppiceotel_test

import (
	"os"
	"testing"

	"github.com/coppice-go/coppice/internal/overlay"
)

// docs/operating.md is a page of another module, which does not depend on this one.
func TestTheOperatingGuideUsesThisPackageAsItIs(t *testing.T) {
	block := overlay.Block(t, "../../docs/operating.md", "(?ms)^```go\n(func [^`]*coppiceotel[^`]*)^```$")
	program := `package guide

import (
	"github.com/coppice-go/coppice/child"
	coppiceotel "github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

` + block[0]
	overlay.Build(t, os.DevNull, map[string]string{"guide/guide.go": program})
}
