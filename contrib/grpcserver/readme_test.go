package grpcserver_test

import (
	"os"
	"testing"

	"github.com/coppice-go/coppice/internal/overlay"
)

func TestTheGoBlockOfTheReadmeCompiles(t *testing.T) {
	block := overlay.Block(t, "README.md", "(?ms)^```go\n(import \\(\n.*?\n\\)\n)(.*?)^```$")
	program := "package main\n\n" + block[0] + `
import (
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// What protoc would have made.
type generated struct{}

func (generated) RegisterShopServer(grpc.ServiceRegistrar, any) {}

var shoppb, shop generated

func main() {
` + block[1] + "_ = root\n}\n"
	overlay.Build(t, os.DevNull, map[string]string{"readme/main.go": program})
}
