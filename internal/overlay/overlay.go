// Package overlay finds the programs in guides, and builds Go files that are not in the
// repository, such as these, as if they were.
package overlay

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// Build builds Go files, by their paths below the directory of the test, such as
// internal/block1/main.go. Their directories need not exist, and are packages of the module
// of the test. packages are the directories to build; none means all that have a file. The
// result is written to the file named by to. The test fails if something does not compile.
func Build(t testing.TB, to string, files map[string]string, packages ...string) {
	t.Helper()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := make(map[string]string, len(files))
	all := make([]string, 0, len(files))
	for name, text := range files {
		kept := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(kept, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(here, filepath.FromSlash(name))] = kept
		all = append(all, path.Dir(name))
	}
	list := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(packages) == 0 {
		slices.Sort(all)
		packages = slices.Compact(all)
	}
	args := []string{"build", "-overlay", list, "-o", to}
	for _, p := range packages {
		args = append(args, "./"+p)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build %v: %v\n%s", packages, err, out)
	}
}
