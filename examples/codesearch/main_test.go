package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets a test start this binary as the program: see start.
func TestMain(m *testing.M) {
	if os.Getenv("CODESEARCH_MAIN") != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// soon returns a context with a timeout, so that a test that hangs shows where it waits.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// forest plants n small Go files in several directories; every tenth does not parse.
func forest(t *testing.T, n int) (root string, files []string) {
	t.Helper()
	contents := map[string]string{}
	for i := range n {
		var code strings.Builder
		fmt.Fprintf(&code, "package p%d\n\nimport \"io\"\n\nvar shared, only%d = io.ReadAll, %d\n", i%5, i, i)
		for k := range i {
			fmt.Fprintf(&code, "func f%d() { _ = shared }\n", k)
		}
		if i%10 == 9 {
			code.WriteString("func {\n")
		}
		name := fmt.Sprintf("p%d/f%03d.go", i%5, i)
		contents[name] = code.String()
		files = append(files, name)
	}
	return plant(t, contents), files
}
