package grpcserver_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/overlay"
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
	overlay.Build(t, os.DevNull, map[string]string{"readme/main.go": program})
}
