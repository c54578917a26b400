package sqltest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate/gatetest"
)

// quick are checks that wait for no term to pass, and have many transactions. A long term
// costs them nothing, and keeps a busy machine from ending members by chance.
var quick = []string{
	"a shard has one member",
	"members that join at the same time all stay",
	"hundreds of shards can be claimed and ceded at once",
	"a shard that is ceded goes to another at once, with a higher token",
	"a member that leaves frees all its shards",
	"the term of a member counts from when its request was sent",
	"contenders for shards never have the same one",
}

func TestSQLGateConforms(t *testing.T) {
	ttl := make(map[string]time.Duration)
	for _, c := range gatetest.Checks() {
		ttl[c.Name] = 3 * time.Second
	}
	for _, name := range quick {
		require.Contains(t, ttl, name)
		ttl[name] = 30 * time.Second
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range gatetest.Checks() {
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					c.Run(t, k.make(t).subject(t, ttl[c.Name]))
				})
			}
		})
	}
}
