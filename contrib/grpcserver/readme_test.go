package grpcserver_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheGoBlockOfTheReadmeCompiles(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?ms)^```go\n(import \\(\n.*?\n\\)\n)(.*?)^```$").FindSubmatch(text)
	require.NotNil(t, block)
	program := "package main\n\n" + string(block[1]) + `
import (
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// What protoc would have made.
type generated struct{}

func (generated) RegisterShopServer(grpc.ServiceRegistrar, any) {}

var shoppb, shop generated

func main() {
` + string(block[2]) + "_ = root\n}\n"
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o600))
	here, err := filepath.Abs("readme")
	require.NoError(t, err)
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "main.go"): source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o600))
	out, err := exec.Command("go", "build", "-overlay", overlay, "-o", os.DevNull, "./readme").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
