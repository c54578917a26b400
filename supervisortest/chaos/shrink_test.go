package chaos_test

import (
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/coppice-go/coppice/supervisortest/chaos"
)

// brittle has a rule that one crash keeps and the second breaks.
func brittle(seed uint64) chaos.Spec {
	spec := chaos.Messy(seed)
	spec.Duration = 2 * time.Second
	spec.Rules = []chaos.Rule{{Says: "one crash at most", Holds: func(r *chaos.Report) bool {
		return r.Done["crash"] < 2
	}}}
	return spec
}

func TestShrinkFindsTheFewActionsThatAreEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var report *chaos.Report
		text := failing.Test(t, func(t testing.TB) { report = chaos.Shrink(t, victim, brittle(1)) })
		require.Equal(t, map[string]int{"crash": 2}, report.Done)
		found := regexp.MustCompile(`(?m)^chaos: messy, seed 1:\nrule broken: one crash at most\n2 of (\d+) actions are enough: Only: \[\]int\{(\d+), (\d+)\}\nthe end of the trace:\n`).FindStringSubmatch(text)
		require.NotNil(t, found, "%s", text)
		require.Equal(t, fmt.Sprint(report.Actions), found[1])

		// Those actions repeat the run.
		spec := brittle(1)
		for _, number := range found[2:] {
			var n int
			_, _ = fmt.Sscan(number, &n)
			spec.Only = append(spec.Only, n)
		}
		text = failing.Test(t, func(t testing.TB) {
			supervisortest.Run(t, victim, func(h *supervisortest.Harness) {
				require.Equal(t, report.Trace, chaos.Play(h.T, h.Supervisor, spec).Trace)
			})
		})
		require.Contains(t, text, "rule broken: one crash at most")
	})
}

func TestShrinkRunsOnceIfNothingIsBroken(t *testing.T) {
	made := 0
	spec := chaos.Messy(1)
	spec.Duration = time.Second
	r := chaos.Shrink(t, func() supervisor.Spec { made++; return victim() }, spec)
	require.Equal(t, 1, made)
	require.Empty(t, r.Broken)
	require.False(t, r.Live)
}

func TestShrinkOfARuleThatNeverHoldsKeepsNoAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			spec := chaos.Spec{Seed: 1, Duration: time.Second, Crash: 0.2, Rules: []chaos.Rule{
				{Says: "never", Holds: func(*chaos.Report) bool { return false }},
			}}
			chaos.Shrink(t, victim, spec)
		})
		require.Regexp(t, `\n0 of \d+ actions are enough: Only: \[\]int\{\}\n`, text)
	})
}

func TestBadUseOfShrink(t *testing.T) {
	for want, use := range map[string]func(t testing.TB){
		"chaos.Shrink: tree is nil": func(t testing.TB) {
			chaos.Shrink(t, nil, chaos.Happy(1))
		},
		"chaos.Shrink: Crash is 2: want a chance from 0 to 1": func(t testing.TB) {
			chaos.Shrink(t, victim, chaos.Spec{Crash: 2})
		},
		"start: /root/a: Run: nil": func(t testing.TB) {
			chaos.Shrink(t, func() supervisor.Spec { return supervisor.Spec{Children: []child.Spec{{Name: "a"}}} }, chaos.Happy(1))
		},
	} {
		synctest.Test(t, func(t *testing.T) { require.Contains(t, failing.Test(t, use), want) })
	}
}
