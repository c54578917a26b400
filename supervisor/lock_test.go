package supervisor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever takes the lock of a life must first pass to the machine what is posted.
func TestLockOfALifeIsTakenInOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	lock := regexp.MustCompile(`(\w+)\.mu\.(Try)?Lock\(\)`)
	others := map[string]bool{"a": true, "all": true, "d": true, "s": true, "shared": true, "t": true} // not those of a life
	places := make(map[string]int)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range lock.FindAllSubmatch(text, -1) {
			if !others[string(found[1])] {
				places[file]++
			}
		}
	}
	require.Equal(t, map[string]int{"lock.go": 2}, places, "use lock")
}
