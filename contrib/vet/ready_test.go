package vet

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The path of a module need not have a dot, like the packages of the standard library.
func TestWhichPackagesMayKnowChildren(t *testing.T) {
	for _, c := range []struct {
		path, own string
		want      bool
	}{
		{"shop/jobs", "shop", true},
		{"shopping/jobs", "shop", false},
		{"example.com/shop/jobs", "example.com/shop", true},
		{"github.com/jackc/pgx/v5", "example.com/shop", false},
		{module + "/supervisor", "example.com/shop", true},
		{"net/http", "example.com/shop", false},
		{"net/http", "", false},
		{"example.com/shop/jobs", "", true},
	} {
		require.Equal(t, c.want, mayKnowChildren(c.path, c.own), "%+v", c)
	}
}
