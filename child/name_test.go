package child_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestUniqueNameIsPrefixDashNumber(t *testing.T) {
	require.Regexp(t, `^job-[1-9][0-9]*$`, child.UniqueName("job"))
	require.Regexp(t, `^-[1-9][0-9]*$`, child.UniqueName(""))
}

func TestNoTwoUniqueNamesAreEqual(t *testing.T) {
	const goroutines, each = 8, 500
	var all sync.Map
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range each {
				name := child.UniqueName("job")
				if _, taken := all.LoadOrStore(name, true); taken {
					t.Errorf("%s was returned twice", name)
				}
			}
		})
	}
	group.Wait()
}

func TestUniqueNameIsValid(t *testing.T) {
	run := func(child.Context) error { return nil }
	require.NoError(t, child.Spec{Name: child.UniqueName("job"), Run: run}.Validate())
}

func TestNameOfIsValid(t *testing.T) {
	run := func(child.Context) error { return nil }
	for _, key := range []any{"", "a/b", "\n", 17, nil, struct{ A, B string }{"/", "\x00"}, []string{"a"}, map[string]int{"/": 1}} {
		require.NoError(t, child.Spec{Name: child.NameOf(key), Run: run}.Validate(), "%v", key)
	}
}
