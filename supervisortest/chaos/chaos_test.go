package chaos_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/coppice-go/coppice/supervisortest/chaos"
)

var quiet = slog.New(slog.DiscardHandler)

// victim is a tree for Play.
func victim() supervisor.Spec {
	jobs := supervisor.New(supervisor.Spec{
		Strategy: strategy.OneForAll, Backoff: child.Constant(30 * time.Millisecond), Logger: quiet,
		Children: []child.Spec{
			{Name: "queue", Run: (&supervisortest.Child{ReadyAfter: 3 * time.Millisecond}).Run},
			{Name: "worker", Run: (&supervisortest.Child{StopAfter: 2 * time.Millisecond}).Run, StopTimeout: 50 * time.Millisecond},
		},
	})
	return supervisor.Spec{
		Name: "victim", Strategy: strategy.RestForOne, Intensity: strategy.AtMost(20, time.Second), StopTimeout: 10 * time.Second, Logger: quiet,
		Children: []child.Spec{
			{Name: "db", Run: (&supervisortest.Child{ReadyAfter: 5 * time.Millisecond}).Run, StopTimeout: 100 * time.Millisecond},
			{Name: "jobs", Run: jobs.Run},
			{Name: "api", Run: (&supervisortest.Child{}).Run, StopTimeout: 100 * time.Millisecond},
		},
	}
}

// wreck runs a spec on victim in virtual time.
func wreck(t *testing.T, spec chaos.Spec) (report *chaos.Report) {
	t.Helper()
	supervisortest.Run(t, victim, func(h *supervisortest.Harness) {
		report = chaos.Play(h.T, h.Supervisor, spec)
	})
	return report
}

func TestPresetsHoldInVirtualTime(t *testing.T) {
	// For other seeds: CHAOS_SEED, -count, make soak.
	for _, spec := range chaos.Presets(0) {
		spec.Duration = 2 * time.Second
		t.Run(spec.Name, func(t *testing.T) {
			r := wreck(t, spec)
			require.Empty(t, r.Broken)
			require.NotZero(t, r.Events["ready"])
			require.Equal(t, r.Started, r.Ended)
		})
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	for _, spec := range slices.Concat(chaos.Presets(2), chaos.Presets(3), chaos.Presets(7)) {
		spec.Duration = 2 * time.Second
		t.Run(spec.Name, func(t *testing.T) {
			first, second := wreck(t, spec), wreck(t, spec)
			for i := range min(len(first.Trace), len(second.Trace)) {
				require.Equal(t, first.Trace[i], second.Trace[i], "line %d, after\n%s", i, strings.Join(first.Trace[max(0, i-10):i], "\n"))
			}
			require.Len(t, second.Trace, len(first.Trace))
			require.Equal(t, first.String(), second.String())
			spec.Seed++
			require.NotEqual(t, first.Trace, wreck(t, spec).Trace)
		})
	}
}

// All children hang, for longer than the whole stop may take.
func TestPlayChecksTheStopTimeoutOfTheTree(t *testing.T) {
	supervisortest.Run(t, func() supervisor.Spec {
		return supervisor.Spec{
			StopTimeout: time.Second,
			Children:    []child.Spec{{Name: "a", Run: new(supervisortest.Child).Run, StopTimeout: child.Forever}},
		}
	}, func(h *supervisortest.Harness) {
		r := chaos.Play(h.T, h.Supervisor, chaos.Spec{
			Duration: time.Second, Hang: 1, HangTime: chaos.Span{Min: time.Hour, Max: time.Hour},
		})
		require.NotZero(t, r.Events["abandoned"])
	})
}

func TestChaosReportIsATableAndJSON(t *testing.T) {
	spec := chaos.Messy(1)
	spec.Duration = 2 * time.Second
	r := wreck(t, spec)
	require.Regexp(t, `^messy: seed 1, 2s virtual, \d+ ticks, \d+ actions\n`, r.String())
	require.Regexp(t, `\n  event   ready +\d+\n`, r.String())
	text, err := json.Marshal(r)
	require.NoError(t, err)
	var got struct {
		Seed    uint64
		Seconds float64
		Done    map[string]int
		Events  map[string]int
		Broken  []string
	}
	require.NoError(t, json.Unmarshal(text, &got))
	require.EqualValues(t, 1, got.Seed)
	require.EqualValues(t, 2, got.Seconds)
	require.EqualValues(t, r.Events["ready"], got.Events["ready"])
	require.Equal(t, r.Done, got.Done)
	require.NotNil(t, got.Broken)
}

func TestChaosLive(t *testing.T) {
	t.Parallel()
	for _, spec := range chaos.Presets(1) {
		spec.Duration = 200 * time.Millisecond
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			r := chaos.Play(t, supervisortest.Start(t, supervisortest.NoLeaks(t, victim())), spec)
			require.True(t, r.Live)
			require.NotZero(t, r.Ticks)
			require.NotZero(t, r.Checks)
		})
	}
}

func TestABrokenRuleFailsTheTestWithTheSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			spec := chaos.Happy(3)
			spec.Duration = time.Second
			spec.Rules = []chaos.Rule{{Says: "no child starts", Holds: func(r *chaos.Report) bool { return r.Started == 0 }}}
			chaos.Play(t, supervisortest.Start(t, victim()), spec)
		})
		require.Contains(t, text, "chaos: happy, seed 3:\nrule broken: no child starts\nthe end of the trace:\n")
		require.Contains(t, text, "stopping /victim/db: stopped")
	})
}

func TestBadUseOfChaos(t *testing.T) {
	for want, change := range map[string]func(*chaos.Spec){
		"chaos.Play: Crash is 2: want a chance from 0 to 1": func(s *chaos.Spec) { s.Crash = 2 },
		"chaos.Play: Tick is 2s to 1s: want 0 <= Min <= Max": func(s *chaos.Spec) {
			s.Tick = chaos.Span{Min: 2 * time.Second, Max: time.Second}
		},
		"chaos.Play: Rules[0].Holds is nil":                            func(s *chaos.Spec) { s.Rules = []chaos.Rule{{Says: "anything"}} },
		"chaos.Play: negative Duration, MaxChildren or MaxSupervisors": func(s *chaos.Spec) { s.MaxChildren = -1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			require.Contains(t, failing.Test(t, func(t testing.TB) {
				spec := chaos.Happy(1)
				change(&spec)
				chaos.Play(t, supervisortest.Start(t, victim()), spec)
			}), want)
		})
	}
	require.Contains(t, failing.Test(t, func(t testing.TB) {
		chaos.Play(t, supervisor.New(victim()), chaos.Happy(1))
	}), "chaos.Play: the tree must be one that supervisortest.Start or Run has started")
}

func TestARuleSeesTheTrace(t *testing.T) {
	spec := chaos.Happy(1)
	spec.Duration = time.Second
	lines := 0
	spec.Rules = []chaos.Rule{{Says: "there is a trace", Holds: func(r *chaos.Report) bool {
		lines = len(r.Trace)
		return lines > 0
	}}}
	require.Len(t, wreck(t, spec).Trace, lines)
	require.NotZero(t, lines)
}

func TestForeverIsNoLimitAndMayBeDrawn(t *testing.T) {
	supervisortest.Run(t, func() supervisor.Spec {
		spec := victim()
		spec.StopTimeout = child.Forever
		return spec
	}, func(h *supervisortest.Harness) {
		spec := chaos.Happy(1)
		spec.Duration = time.Second
		spec.RemoveAfter = chaos.Span{Max: child.Forever}
		require.Empty(t, chaos.Play(h.T, h.Supervisor, spec).Broken)
	})
}

func TestSeedFromTheEnvironment(t *testing.T) {
	spec := chaos.Happy(0)
	spec.Duration = time.Second
	t.Setenv("CHAOS_SEED", "42")
	require.EqualValues(t, 42, wreck(t, spec).Seed)
	t.Setenv("CHAOS_SEED", "cafe")
	synctest.Test(t, func(t *testing.T) {
		require.Contains(t, failing.Test(t, func(t testing.TB) {
			chaos.Play(t, supervisortest.Start(t, victim()), spec)
		}), `chaos.Play: CHAOS_SEED is "cafe": set it to a seed that a test has logged`)
	})
}

// The rules of each preset accept a report without faults, and reject one with a fault of
// their kind. Outrage has no rules.
func TestRulesOfThePresets(t *testing.T) {
	well := chaos.Report{Started: 9, Ended: 9, MostChildren: 3, Events: map[string]uint64{"ready": 8, "failed": 0}}
	failed, abandoned, refused, many, worse, left := well, well, well, well, well, well
	failed.Events = map[string]uint64{"ready": 8, "failed": 1}
	abandoned.Events = map[string]uint64{"ready": 8, "abandoned": 1}
	refused.Errors = map[string]int{"suspended": 1}
	many.MostChildren = 4
	worse.Events = map[string]uint64{"ready": 8, "failed": 8}
	left.Ended = 8
	faults := map[string][]chaos.Report{
		"happy":                    {failed, abandoned, refused},
		"low limit, high turnover": {failed, abandoned, refused, many},
		"reasonable":               {worse},
		"messy":                    {left},
		"outrage":                  {},
		"impatient":                {left},
		"random of all":            {left},
	}
	presets := chaos.Presets(1)
	require.Len(t, presets, len(faults))
	for name, wrong := range faults {
		spec := presets[slices.IndexFunc(presets, func(s chaos.Spec) bool { return s.Name == name })]
		holds := func(r chaos.Report) bool {
			return !slices.ContainsFunc(spec.Rules, func(rule chaos.Rule) bool { return !rule.Holds(&r) })
		}
		require.True(t, holds(well), name)
		require.Equal(t, len(spec.Rules) == 0, len(wrong) == 0, name)
		for i, r := range wrong {
			require.False(t, holds(r), "%s: %d", name, i)
		}
	}
}

// A channel of a bubble crashes the process when it is used outside.
func TestPlayInAnotherBubbleThanItsTreeSaysWhatToDo(t *testing.T) {
	const want = "chaos.Play: the tree was created in another bubble, or outside: create and use it in the same function passed to Run or synctest.Test, or both outside"
	play := func(sup *supervisor.Supervisor) string {
		return failing.Test(t, func(t testing.TB) { chaos.Play(t, sup, chaos.Happy(1)) })
	}
	t.Run("made outside", func(t *testing.T) {
		sup := supervisortest.Start(t, victim())
		synctest.Test(t, func(t *testing.T) { require.Equal(t, want, play(sup)) })
	})
	t.Run("made in a bubble", func(t *testing.T) {
		made, used := make(chan *supervisor.Supervisor), make(chan string)
		go func() { used <- play(<-made) }()
		supervisortest.Run(t, victim, func(h *supervisortest.Harness) {
			made <- h.Supervisor
			require.Equal(t, want, <-used)
		})
	})
}
