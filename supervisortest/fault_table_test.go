package supervisortest_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata: read the difference before you keep it")

// shop has supervisors of each kind of strategy.
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

// With every backoff policy, at any depth.
func TestFaultTableHasNoJitter(t *testing.T) {
	tree := func() supervisor.Spec {
		retries := child.Exponential(2*time.Second, time.Minute).Retries(5)
		inner := supervisor.New(supervisor.Spec{
			Backoff:  func() child.BackoffPolicy { return backoff.NewExponentialBackOff() },
			Children: []child.Spec{{Name: "a", Run: new(supervisortest.Child).Run}},
		})
		return supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run, Backoff: child.Exponential(3*time.Second, time.Minute)},
			{Name: "b", Run: new(supervisortest.Child).Run, Backoff: retries},
		}}
	}
	table := supervisortest.FaultTable(t, tree)
	require.Contains(t, table, "restarting /root/inner in 3s: injected")
	require.Contains(t, table, "restarting /root/inner/a in 500ms: injected")
	require.Contains(t, table, "restarting /root/b in 2s: injected")
	require.Equal(t, table, supervisortest.FaultTable(t, tree))
}

func TestRunKeepsJitter(t *testing.T) {
	supervisortest.Run(t, func() supervisor.Spec {
		a := &supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom}
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run, Backoff: child.Exponential(time.Hour, time.Hour)}}}
	}, func(h *supervisortest.Harness) {
		pauses := map[time.Duration]bool{}
		for range 20 {
			pauses[h.Events.Await(h.T, supervisortest.Match{Kind: supervisor.EventRestarting}).Delay] = true
		}
		require.Greater(t, len(pauses), 1)
	})
}

func TestBadUseOfFaultTable(t *testing.T) {
	for want, tree := range map[string]func() supervisor.Spec{
		"FaultTable: tree is nil":                            nil,
		"FaultTable: /root has no children":                  func() supervisor.Spec { return supervisor.Spec{} },
		"start: /root/a: Run: nil\nevents of /root:\n  none": func() supervisor.Spec { return supervisor.Spec{Children: []child.Spec{{Name: "a"}}} },
	} {
		synctest.Test(t, func(t *testing.T) {
			require.Contains(t, failing.Test(t, func(t testing.TB) { supervisortest.FaultTable(t, tree) }), want)
		})
	}
}
