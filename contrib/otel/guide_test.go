package coppiceotel_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/overlay"
)

// docs/operating.md is a page of another module, which does not depend on this one.
func TestTheOperatingGuideUsesThisPackageAsItIs(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?ms)^```go\n(func [^`]*coppiceotel[^`]*)^```$").FindSubmatch(text)
	require.NotNil(t, block)
	program := `package guide

import (
	"github.com/coppice-go/coppice/child"
	coppiceotel "github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

` + string(block[1])
	overlay.Build(t, os.DevNull, map[string]string{"guide/guide.go": program})
}
