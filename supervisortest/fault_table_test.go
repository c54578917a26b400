package supervisortest_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata: read the difference before you keep it")

// shop has each kind of supervisor.
func shop() supervisor.Spec {
	jobs := supervisor.New(supervisor.Spec{
		Strategy: strategy.Independent,
		Children: []child.Spec{
			{Name: "mail", Run: (&supervisortest.Child{}).Run},
			{Name: "bills", Run: (&supervisortest.Child{}).Run, StopTimeout: time.Second},
		},
	})
	return supervisor.Spec{
		Name:     "shop",
		Strategy: strategy.RestForOne,
		Children: []child.Spec{
			{Name: "db", Run: (&supervisortest.Child{ReadyAfter: time.Second}).Run, Backoff: child.Constant(2 * time.Second), StartTimeout: 5 * time.Second},
			{Name: "jobs", Run: jobs.Run},
			{Name: "api", Run: (&supervisortest.Child{StopAfter: time.Second}).Run},
		},
	}
}

func TestFaultTableIsTheSameEachTime(t *testing.T) {
	golden := filepath.Join("testdata", "shop.faults")
	got := supervisortest.FaultTable(t, shop)
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestBadUseOfFaultTable(t *testing.T) {
	for want, tree := range map[string]func() supervisor.Spec{
		"FaultTable: nil function: give it one that makes the spec of the tree": nil,
		"FaultTable: /root has no children: there is nothing to go wrong":       func() supervisor.Spec { return supervisor.Spec{} },
		"start: /root/a: Run: nil\nwhat happened in /root:\n  nothing":          func() supervisor.Spec { return supervisor.Spec{Children: []child.Spec{{Name: "a"}}} },
	} {
		synctest.Test(t, func(t *testing.T) {
			require.Contains(t, failing.Test(t, func(t testing.TB) { supervisortest.FaultTable(t, tree) }), want)
		})
	}
}
