package overlay_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/internal/overlay"
)

func TestFilesThatDoNotExistAreBuilt(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program.exe")
	overlay.Build(t, program, map[string]string{
		"main/main.go": "package main\n\nimport \"github.com/coppice-go/coppice/internal/overlay/text\"\n\nfunc main() { print(text.Hello) }\n",
		"text/text.go": "package text\n\nconst Hello = \"hello\"\n",
	}, "main")
	out, err := exec.Command(program).CombinedOutput()
	if err != nil || string(out) != "hello" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestAFileThatDoesNotCompileFailsTheTest(t *testing.T) {
	text := failing.Test(t, func(t testing.TB) {
		overlay.Build(t, filepath.Join(t.TempDir(), "out"), map[string]string{"bad/bad.go": "package bad\n\nvar x int = \"\"\n"})
	})
	if !strings.Contains(text, "cannot use") {
		t.Errorf("got %q", text)
	}
}
