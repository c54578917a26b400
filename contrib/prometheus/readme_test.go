package coppiceprom_test

import (
	"os"
	"testing"

	"github.com/coppice-go/coppice/internal/overlay"
)

func TestTheGoBlockOfTheReadmeCompiles(t *testing.T) {
	block := overlay.Block(t, "README.md", "(?ms)^```go\n(import \\(\n.*?\n\\)\n)(.*?)^```$")
	program := "package main\n\n" + block[0] + `
import (
	"net/http"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

var children []child.Spec

func main() {
` + block[1] + "}\n"
	overlay.Build(t, os.DevNull, map[string]string{"readme/main.go": program})
}
