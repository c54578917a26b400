package overlay_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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

// A failed is a test that notes its failure.
type failed struct {
	testing.TB
	text string
}

func (f *failed) Helper() {}

func (f *failed) Fatalf(format string, args ...any) { f.text = fmt.Sprintf(format, args...) }

func TestAFileThatDoesNotCompileFailsTheTest(t *testing.T) {
	f := &failed{TB: t}
	overlay.Build(f, filepath.Join(t.TempDir(), "out"), map[string]string{"bad/bad.go": "package bad\n\nvar x int = \"\"\n"})
	if !strings.Contains(f.text, "cannot use") {
		t.Errorf("got %q", f.text)
	}
}
