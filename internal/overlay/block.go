package overlay

import (
	"os"
	"regexp"
	"testing"
)

// Block returns the groups of the first match of a pattern in a file, such as the parts of a
// block of Go in a guide. The test fails if there is no match.
func Block(t testing.TB, file, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
	if match == nil {
		t.Fatalf("%s has no %s", file, pattern)
	}
	return match[1:]
}
