package supervisor

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

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
