package coppiceprom_test

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
	"net/http"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

var children []child.Spec

func main() {
` + string(block[2]) + "}\n"
	overlay.Build(t, os.DevNull, map[string]string{"readme/main.go": program})
}
