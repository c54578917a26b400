package sqltest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate"
)

// The clock of a database is coarser than that of a member: SQLite counts milliseconds. A
// term that ended by that clock before it ended for its holder would be given to another too
// early.
func TestATermEndsNoSoonerInTheDatabaseThanForItsHolder(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		const ttl = time.Minute + 999*time.Nanosecond // not a whole number of microseconds
		m := d.member(t, "a", ttl)
		check := func(l gate.Lease, table string) {
			t.Helper()
			var expires int64
			require.NoError(t, d.admin.QueryRowContext(t.Context(), "SELECT expires FROM "+table).Scan(&expires))
			latest := time.Now().Add(ttl + 2*time.Millisecond)
			end, term := time.UnixMicro(expires), l.Term()
			require.Equal(t, ttl, term.TTL)
			if early := term.Sent.Time().Add(ttl).Sub(end); early > 0 {
				t.Fatalf("%s: the term ends %v before that of its holder", table, early)
			}
			require.False(t, end.After(latest), "%s: the term ends %v too late", table, end.Sub(latest))
		}
		for range 20 { // the first creates the row, and the others take it
			l, err := m.Acquire(t.Context(), "x")
			require.NoError(t, err)
			check(l, "coppice_leases")
			require.NoError(t, l.Renew(t.Context()))
			check(l, "coppice_leases")
			require.NoError(t, l.Release(t.Context()))

			s, err := m.Join(t.Context(), "x", gate.Layout{Shards: 1})
			require.NoError(t, err)
			check(s, "coppice_shards_members")
			require.NoError(t, s.Renew(t.Context()))
			check(s, "coppice_shards_members")
			require.NoError(t, s.Release(t.Context()))
		}
	})
}
