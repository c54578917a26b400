package coppiceprom_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
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
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "guide.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	here, err := filepath.Abs("guide") // a directory that exists only in the overlay
	require.NoError(t, err)
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "guide.go"): source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))
	out, err := exec.Command("go", "build", "-overlay", overlay, "./guide").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
