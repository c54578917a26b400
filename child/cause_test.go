package child_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestSentinelsAreDistinctSingleLines(t *testing.T) {
	sentinels := []error{
		child.ErrStopped, child.ErrRemoved, child.ErrSibling, child.ErrGaveUp, child.ErrStartTimeout, child.ErrHung,
		child.ErrIgnore, child.ErrShutdown, child.ErrDone, child.ErrGoexit, child.ErrNotReady,
	}
	texts := map[string]bool{}
	for i, err := range sentinels {
		require.NotEmpty(t, err.Error())
		require.NotContains(t, err.Error(), "\n")
		require.False(t, texts[strings.ToLower(err.Error())], "%v occurs twice", err)
		texts[strings.ToLower(err.Error())] = true
		for j, other := range sentinels {
			require.Equal(t, i == j, errors.Is(err, other), "%v and %v", err, other)
		}
	}
}
