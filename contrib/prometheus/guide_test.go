package coppiceprom_test

import (
	"os"
	"testing"

	"github.com/coppice-go/coppice/internal/overlay"
)

// docs/operating.md is a page of another module, which does not depend on this one.
func TestTheOperatingGuideUsesThisPackageAsItIs(t *testing.T) {
	block := overlay.Block(t, "../../docs/operating.md", "(?ms)^```go\n(func [^`]*coppiceprom[^`]*)^```$")
	program := `package guide

import (
	"net/http"

	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

` + block[0]
	overlay.Build(t, os.DevNull, map[string]string{"guide/guide.go": program})
}
