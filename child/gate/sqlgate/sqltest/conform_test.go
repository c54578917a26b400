package sqltest

import (
	"cmp"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate/gatetest"
)

// terms are the terms of the checks. All waits of a check grow with its term, and so does
// what it forgives a busy machine: a request may take up to a quarter of a term, for example.
// So each check has the longest term with which it takes about as long as the others. A check
// that is not listed has usualTerm: it waits for less than one and a half terms.
var terms = map[string]time.Duration{
	// These wait for two terms to pass, or more.
	"each shard runs once at a time, whatever happens to the members":     stormTerm(),
	"gates guard one run at a time, whatever happens to their members":    stormTerm(),
	"tokens grow after a time without a holder":                           3 * time.Second,
	"a renewed lease stays, with its token":                               3 * time.Second,
	"an engine that is away gives nothing, and one lease when it is back": 3 * time.Second,
	"a standby that is cut off wins nothing and disturbs nobody":          3 * time.Second,
	"release hands over at once":                                          4 * time.Second,
	"a late release harms nobody":                                         6 * time.Second,
	"members with another layout wait until the last one has gone":        6 * time.Second,

	// These wait for no term to pass, and have many transactions.
	"a shard has one member":                                             30 * time.Second,
	"members that join at the same time all stay":                        30 * time.Second,
	"hundreds of shards can be claimed and ceded at once":                30 * time.Second,
	"a shard that is ceded goes to another at once, with a higher token": 30 * time.Second,
	"a member that leaves frees all its shards":                          30 * time.Second,
	"the term of a member counts from when its request was sent":         30 * time.Second,
	"contenders for shards never have the same one":                      30 * time.Second,
}

const usualTerm = 9 * time.Second

// stormTerm is shorter if all databases are in this process: these checks take the longest.
func stormTerm() time.Duration {
	if os.Getenv("MACHINES") != "" {
		return 3 * time.Second
	}
	return 2500 * time.Millisecond
}

func TestSQLGateConforms(t *testing.T) {
	t.Parallel()
	checks, listed := gatetest.Checks(), 0
	term := func(c gatetest.Check) time.Duration { return cmp.Or(terms[c.Name], usualTerm) }
	for _, c := range checks {
		if terms[c.Name] > 0 {
			listed++
		}
	}
	require.Len(t, terms, listed, "each name is that of a check")
	slices.SortStableFunc(checks, func(a, b gatetest.Check) int { return cmp.Compare(term(a), term(b)) }) // the longest first
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range checks {
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					c.Run(t, k.make(t).subject(t, term(c)))
				})
			}
		})
	}
}
