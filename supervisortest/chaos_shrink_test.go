package supervisortest_test

import (
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// brittle holds a tree to be unharmed by one crash, and not by the second.
func brittle(seed uint64) supervisortest.ChaosSpec {
	spec := supervisortest.Messy(seed)
	spec.Duration = 2 * time.Second
	spec.Rules = []supervisortest.ChaosRule{{Says: "one crash at most", Holds: func(r *supervisortest.ChaosReport) bool {
		return r.Done["crash"] < 2
	}}}
	return spec
}

func TestShrinkFindsTheFewActionsThatAreEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var report *supervisortest.ChaosReport
		text := failures(t, func(t testing.TB) { report = supervisortest.ShrinkChaos(t, victim, brittle(1)) })
		require.Equal(t, map[string]int{"crash": 2}, report.Done)
		found := regexp.MustCompile(`(?m)^chaos: messy, seed 1:\nthe rule does not hold: one crash at most\n2 of (\d+) actions are enough: Only: \[\]int\{(\d+), (\d+)\}\nthe end of the trace:\n`).FindStringSubmatch(text)
		require.NotNil(t, found, "%s", text)
		require.Equal(t, fmt.Sprint(report.Actions), found[1])

		// And so it is done again.
		spec := brittle(1)
		for _, number := range found[2:] {
			var n int
			_, _ = fmt.Sscan(number, &n)
			spec.Only = append(spec.Only, n)
		}
		text = failures(t, func(t testing.TB) {
			supervisortest.Run(t, victim(), func(h *supervisortest.Harness) {
				require.Equal(t, report.Trace, supervisortest.Chaos(h.T, h.Supervisor, spec).Trace)
			})
		})
		require.Contains(t, text, "the rule does not hold: one crash at most")
	})
}

func TestShrinkOfARunInWhichAllHoldsRunsOnce(t *testing.T) {
	made := 0
	spec := supervisortest.Messy(1)
	spec.Duration = time.Second
	r := supervisortest.ShrinkChaos(t, func() supervisor.Spec { made++; return victim() }, spec)
	require.Equal(t, 1, made)
	require.Empty(t, r.Broken)
	require.False(t, r.Live)
}

func TestShrinkOfARuleThatNeverHoldsNeedsNoAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failures(t, func(t testing.TB) {
			spec := supervisortest.ChaosSpec{Seed: 1, Duration: time.Second, Crash: 0.2, Rules: []supervisortest.ChaosRule{
				{Says: "never", Holds: func(*supervisortest.ChaosReport) bool { return false }},
			}}
			supervisortest.ShrinkChaos(t, victim, spec)
		})
		require.Regexp(t, `\n0 of \d+ actions are enough: Only: \[\]int\{\}\n`, text)
	})
}

func TestBadUseOfShrink(t *testing.T) {
	for want, use := range map[string]func(t testing.TB){
		"ShrinkChaos: nil function: give it one that makes the spec of the tree": func(t testing.TB) {
			supervisortest.ShrinkChaos(t, nil, supervisortest.Happy(1))
		},
		"ShrinkChaos: Crash is 2: a chance is from 0 to 1": func(t testing.TB) {
			supervisortest.ShrinkChaos(t, victim, supervisortest.ChaosSpec{Crash: 2})
		},
		"start: /root/a: Run: nil": func(t testing.TB) {
			supervisortest.ShrinkChaos(t, func() supervisor.Spec { return supervisor.Spec{Children: []child.Spec{{Name: "a"}}} }, supervisortest.Happy(1))
		},
	} {
		synctest.Test(t, func(t *testing.T) { require.Contains(t, failures(t, use), want) })
	}
}
