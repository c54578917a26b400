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
	life := regexp.MustCompile(`\b(l|life|above|nested)\.mu\.(Try)?Lock\(\)`)
	places := make(map[string]int)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if n := len(life.FindAllIndex(text, -1)); n > 0 {
			places[file] = n
		}
	}
	require.Equal(t, map[string]int{"lock.go": 2}, places, "use lock")
}
