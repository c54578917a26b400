package overlay_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/internal/overlay"
)

func TestBlockReturnsTheGroupsOfTheFirstMatch(t *testing.T) {
	guide := filepath.Join(t.TempDir(), "guide.md")
	if err := os.WriteFile(guide, []byte("# Guide\n\n```go\na\nb\n```\n\n```go\nc\nd\n```\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := overlay.Block(t, guide, "(?m)^```go\n(.)\n(.)\n```$"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	text := failing.Test(t, func(t testing.TB) { overlay.Block(t, guide, "(?m)^```sh$") })
	if !strings.Contains(text, "guide.md has no (?m)^```sh$") {
		t.Errorf("got %q", text)
	}
}
