package coppiceprom_test

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
	block := regexp.MustCompile("(?ms)^```go\n(func [^`]*coppiceprom[^`]*)^```$").FindSubmatch(text)
	require.NotNil(t, block)
	program := `package guide

import (
	"net/http"

	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

` + string(block[1])
	overlay.Build(t, os.DevNull, map[string]string{"guide/guide.go": program})
}
