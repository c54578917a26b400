package naming_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/naming"
)

func TestNameProblem(t *testing.T) {
	require.Empty(t, naming.Problem("job-17"))
	require.Equal(t, `has a slash: "/"`, naming.Problem("/"))
	require.Equal(t, `has a control character: "\r"`, naming.Problem("\r"))
	for _, name := range []string{"\u2028", "\u2029", "\u202e", "\u200b", "\ufeff", "\u2066"} {
		require.Equal(t, fmt.Sprintf("has an invisible character or a line separator: %q", name), naming.Problem(name))
	}
	require.Empty(t, naming.Problem("Zürich-日本-🐿"))
}
