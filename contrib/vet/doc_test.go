package vet

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// doc returns the manual.
func doc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	return string(text)
}
