package supervisor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A goroutine that takes the lock of a life must first pass to the machine what is posted.
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

// Whether lock finds the lock free, or free after a moment, or must wait for it: it excludes
// others.
func TestLockExcludesOthers(t *testing.T) {
	var l life
	var all sync.WaitGroup
	n := 0
	const goroutines, times = 20, 500
	l.mu.Lock()
	for range goroutines {
		all.Go(func() {
			for range times {
				l.lock()
				n++
				l.mu.Unlock()
			}
		})
	}
	waitFor(func() bool { // all of them wait
		stacks := stacksText()
		return strings.Count(stacks, "(*life).lock(") == goroutines && strings.Count(stacks, "sync.(*Mutex).Lock(") >= goroutines
	})
	require.Zero(t, n)
	l.mu.Unlock()
	all.Wait()
	require.Equal(t, goroutines*times, n)
}
