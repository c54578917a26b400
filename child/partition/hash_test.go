package partition

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Users store where a key belongs: these numbers must never change.
func TestOwnersNeverChange(t *testing.T) {
	require.EqualValues(t, uint64(0xcbf29ce484222325), hashOf(""), "FNV-1a")
	require.EqualValues(t, uint64(0xaf63dc4c8601ec8c), hashOf("a"))
	require.EqualValues(t, uint64(0x85944171f73967e8), hashOf("foobar"))
	var owners []int
	for _, key := range []string{"", "a", "user-17", "user-18", "\xff\x00", "日本"} {
		for _, n := range []int{1, 2, 8, 1000} {
			owners = append(owners, indexOf(key, n))
		}
	}
	require.Equal(t, []int{0, 0, 6, 374, 0, 1, 2, 663, 0, 0, 7, 337, 0, 1, 2, 350, 0, 1, 2, 275, 0, 1, 1, 621}, owners)
}

func TestMoreChildrenMoveKeysOnlyToTheNewOnes(t *testing.T) {
	for n := 1; n < 40; n++ {
		moved := 0
		for i := range 2000 {
			key := fmt.Sprint("key-", i)
			if before, after := indexOf(key, n), indexOf(key, n+1); before != after {
				require.Equal(t, n, after)
				moved++
			}
		}
		require.InDelta(t, 2000/(n+1), moved, 100, "one in n+1")
	}
}

func TestKeysAreSpreadEvenly(t *testing.T) {
	const n, each = 16, 1000
	for name, key := range map[string]func(i int) string{
		"numbers":      func(i int) string { return fmt.Sprint(i) },
		"long, alike":  func(i int) string { return fmt.Sprintf("%0500d", i) },
		"two bytes":    func(i int) string { return string([]byte{byte(i), byte(i >> 8)}) },
		"steps of 256": func(i int) string { return fmt.Sprint(i * 256) },
	} {
		var counts [n]int
		for i := range n * each {
			counts[indexOf(key(i), n)]++
		}
		for i, count := range counts {
			require.InDelta(t, each, count, each/5, "%s: child %d", name, i)
		}
	}
}
