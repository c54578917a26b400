// Package chaos runs random actions on a running tree, from a seed, and checks what must
// hold whatever happens.
//
//	func TestShopUnderChaos(t *testing.T) {
//		supervisortest.Run(t, shop, func(h *supervisortest.Harness) {
//			chaos.Play(h.T, h.Supervisor, chaos.Messy(0))
//		})
//	}
//
// [Play] adds, removes, stops and restarts children, and makes them crash, panic and hang.
// In virtual time the same seed gives the same trace. Each test logs its seed; to repeat
// it, set CHAOS_SEED in the environment. [Shrink] finds the few actions that are enough to
// break a tree. [Happy], [Messy] and the others of [Presets] are ready-made settings.
package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// A Spec says which actions Play runs, how often and for how long. Each chance is a
// probability from 0 to 1. A zero Span means no delay, unless its comment says otherwise.
// Happy, HighTurnover, Reasonable, Messy, Outrage, Impatient and RandomOfAll return
// ready-made specs.
type Spec struct {
	Name string // in the report
	// Seed is the seed of all random choices. In virtual time the same seed gives the
	// same trace, unless the tree itself is random, as child.Exponential is. Zero means
	// CHAOS_SEED of the environment or, without it, a new seed. The test logs the seed.
	Seed     uint64
	Duration time.Duration // zero means a minute of virtual time, or 2 s live
	Tick     Span          // between two ticks; zero means 10 ms to 100 ms

	MaxSupervisors int // the most supervisors that Play adds, at a time
	MaxChildren    int // the most other children that it adds, at a time

	// The chance, at each tick, to
	AddSupervisor    float64 // add a supervisor with up to three children, at any depth
	RemoveSupervisor float64 // remove a supervisor that Play has added
	Add              float64 // add a child, at any depth
	Remove           float64 // remove a child that Play has added
	Stop             float64 // stop a child that Play has added
	Restart          float64 // restart any child or supervisor
	Crash            float64 // make a running child or supervisor return an error
	Panic            float64 // make one panic or call runtime.Goexit
	Hang             float64 // make one take HangTime to stop
	Suspend          float64 // suspend any supervisor for SuspendTime
	Check            float64 // compare the tree's own view with the live runs

	// The chance that a child which Play has added
	FailStart float64 // fails to start
	FailRun   float64 // fails, when a run ends by itself
	Permanent float64 // is Permanent; otherwise it is Transient or Temporary

	// The times of a child that Play has added
	StartTime   Span // from Run to Ready
	RunTime     Span // from Ready to its end; zero means until it is stopped
	StopTime    Span // from the request to stop to its end
	StopTimeout Span // its StopTimeout; zero means the default
	RemoveAfter Span // from its addition to its removal; zero means that only Remove removes it

	HangTime    Span // how long a hang delays a stop
	SuspendTime Span // how long a supervisor stays suspended

	Impatience float64 // the chance that a call waits no longer than Patience
	Patience   Span

	// Only, if not nil, restricts the actions that the seed gives to those with these
	// numbers, counted from 1. Shrink reports such numbers.
	Only []int

	// Rules must hold at the end, besides what Play always checks.
	Rules []Rule
}

// A Span is a range of durations that includes both ends.
type Span struct{ Min, Max time.Duration }

// A Rule is a sentence about a report, and a function that reports whether it is true.
type Rule struct {
	Says  string
	Holds func(*Report) bool
}

// Play runs random actions on a running tree: it adds, removes, stops, restarts and
// suspends, makes children crash, panic and hang, and starts the tree again when it has
// given up. At the end it stops the tree. In a bubble it works in virtual time, otherwise
// live. The tree must have been started by supervisortest.Start or Run, in the bubble in
// which Play is called, or outside if Play is. Nothing else may stop or start the tree
// meanwhile.
//
// The test fails, with the seed and the end of the trace, if one of these does not hold:
//
//   - a child has at most one live run, besides abandoned ones, and no run begins while
//     another that was not asked to stop is running
//   - each event fits the state of its child
//   - children start in declared order and stop in reverse order, where their strategy
//     says so
//   - Count and Tree agree with the live runs: in virtual time at each check; live, at
//     least once within 10 s after it, because the tree keeps changing
//   - the root does not restart more often than its Spec.Intensity permits, and does not
//     take longer than its Spec.StopTimeout to stop
//   - a child does not take longer than its StopTimeout to stop (live, 2 s more), where
//     that is known: for the root's own children and those that Play has added
//   - at the end every start has its end, in fact and in the events, and the stop report
//     lists all abandoned runs
//   - the rules of the spec
func Play(t testing.TB, sup *supervisor.Supervisor, spec Spec) *Report {
	t.Helper()
	tr := testkit.Of(sup)
	if tr == nil {
		t.Fatalf("chaos.Play: the tree must be one that supervisortest.Start or Run has started")
		return nil
	}
	err := tr.Made.Elsewhere("the tree")
	if err == nil {
		err = spec.prepare(testkit.InBubble())
	}
	if err != nil {
		t.Fatalf("chaos.Play: %v", err)
		return nil
	}
	t.Logf("chaos: %s, seed %d", spec.Name, spec.Seed)
	tr.Excused = isOurs
	r := newCampaign(tr, spec).play()
	t.Logf("%v", r)
	if len(r.Broken) > 0 {
		t.Errorf("%s", r.failure(""))
	}
	return r
}

// isOurs reports whether Play may have caused this end of a run.
func isOurs(end error) bool { return errors.Is(end, Err) || errors.Is(end, child.ErrGoexit) }

// failure returns the failure of a test in which something did not hold.
func (r *Report) failure(more string) string {
	return fmt.Sprintf("chaos: %s, seed %d:\n%s\n%sthe end of the trace:\n%s",
		r.Name, r.Seed, strings.Join(r.Broken, "\n"), more, strings.Join(last(r.Trace, 60), "\n"))
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// prepare checks the spec, and fills in the defaults.
func (s *Spec) prepare(virtual bool) error {
	for name, chance := range s.chances() {
		if !(*chance >= 0 && *chance <= 1) {
			return fmt.Errorf("%s is %v: want a chance from 0 to 1", name, *chance)
		}
	}
	for name, span := range s.spans() {
		if span.Min < 0 || span.Max < span.Min {
			return fmt.Errorf("%s is %v to %v: want 0 <= Min <= Max", name, span.Min, span.Max)
		}
	}
	for i, rule := range s.Rules {
		if rule.Holds == nil {
			return fmt.Errorf("Rules[%d].Holds is nil", i)
		}
	}
	if s.Duration < 0 || s.MaxChildren < 0 || s.MaxSupervisors < 0 {
		return fmt.Errorf("negative Duration, MaxChildren or MaxSupervisors")
	}
	if s.Name == "" {
		s.Name = "chaos"
	}
	if s.Duration == 0 {
		s.Duration = 2 * time.Second
		if virtual {
			s.Duration = time.Minute
		}
	}
	if s.Tick == (Span{}) {
		s.Tick = Span{10 * time.Millisecond, 100 * time.Millisecond}
	}
	if s.Tick.Max == 0 {
		return fmt.Errorf("zero Tick: it must be positive")
	}
	if s.Seed != 0 {
		return nil
	}
	var err error
	s.Seed, err = newSeed()
	return err
}

// newSeed returns the seed in the environment, or a new one.
func newSeed() (uint64, error) {
	text := os.Getenv("CHAOS_SEED")
	if text == "" {
		return rand.Uint64N(1<<32) + 1, nil
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seed == 0 {
		return 0, fmt.Errorf("CHAOS_SEED is %q: set it to a seed that a test has logged", text)
	}
	return seed, nil
}

func (s *Spec) chances() map[string]*float64 {
	return map[string]*float64{
		"AddSupervisor": &s.AddSupervisor, "RemoveSupervisor": &s.RemoveSupervisor,
		"Add": &s.Add, "Remove": &s.Remove, "Stop": &s.Stop, "Restart": &s.Restart,
		"Crash": &s.Crash, "Panic": &s.Panic, "Hang": &s.Hang, "Suspend": &s.Suspend, "Check": &s.Check,
		"FailStart": &s.FailStart, "FailRun": &s.FailRun, "Permanent": &s.Permanent, "Impatience": &s.Impatience,
	}
}

func (s *Spec) spans() map[string]*Span {
	return map[string]*Span{
		"Tick": &s.Tick, "StartTime": &s.StartTime, "RunTime": &s.RunTime, "StopTime": &s.StopTime,
		"StopTimeout": &s.StopTimeout, "RemoveAfter": &s.RemoveAfter, "HangTime": &s.HangTime,
		"SuspendTime": &s.SuspendTime, "Patience": &s.Patience,
	}
}
