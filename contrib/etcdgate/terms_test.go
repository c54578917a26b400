package etcdgate

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate"
)

// The table of terms in docs/machines.md has the defaults of gate.Spec.
func TestTheTableOfTermsIsRight(t *testing.T) {
	const guide = "../../docs/machines.md"
	text, err := os.ReadFile(guide)
	if os.IsNotExist(err) {
		t.Skip("the module was downloaded without the repository")
	}
	require.NoError(t, err)
	rows := 0
	for _, m := range regexp.MustCompile(`(?m)^\| ([0-9hms.]+) \| .*\|$`).FindAllStringSubmatch(string(text), -1) {
		ttl, err := time.ParseDuration(m[1])
		require.NoError(t, err)
		terms := gate.Spec{Elector: New(nil, Spec{TTL: ttl})}.Terms()
		sum := terms.RenewEvery + terms.RequestTimeout + terms.StopWithin + terms.ReleaseWithin + terms.Slack
		require.Equal(t, fmt.Sprintf("| %v | %v | %v | %v | %v | %v | %v |", ttl, terms.RenewEvery, terms.RequestTimeout,
			terms.StopWithin, terms.ReleaseWithin, terms.Slack, sum), m[0])
		require.Less(t, sum, ttl-ttl/100)
		rows++
	}
	require.Equal(t, 5, rows)
}
