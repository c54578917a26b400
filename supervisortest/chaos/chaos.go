// Package chaos does things to a running tree at random, from a seed, and checks
// what must hold whatever happens.
//
//	func TestShopUnderChaos(t *testing.T) {
//		supervisortest.Run(t, shop, func(h *supervisortest.Harness) {
//			chaos.Play(h.T, h.Supervisor, chaos.Messy(0))
//		})
//	}
//
// [Play] adds, removes, stops and restarts children, has them crash, panic and
// hang. In virtual time the same seed gives the same trace; CHAOS_SEED in the
// environment repeats one that a test has logged. [Shrink] finds the few actions
// that are enough to break a tree. [Happy], [Messy] and the others of [Presets] are
// ready-made settings.
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

// A Spec says what Play does, how often and how long. Chances are from 0 to
// 1, and drawn for each at every tick. The zero of a Span is at once. Happy,
// HighTurnover, Reasonable, Messy, Outrage, Impatient and RandomOfAll are ready
// made.
type Spec struct {
	Name string // in the report
	// Seed is what all is drawn from. In virtual time the same seed gives the same
	// trace, as far as the tree itself draws nothing at random, as child.Exponential
	// does. Zero: that in the environment's CHAOS_SEED, else a new one; it is in the
	// test's log.
	Seed     uint64
	Duration time.Duration // zero: a minute of virtual time, or 2 s live
	Tick     Span          // between the ticks; zero: 10 ms to 100 ms

	MaxSupervisors int // most supervisors that it adds to the tree at a time
	MaxChildren    int // most other children that it adds

	AddSupervisor    float64 // a supervisor with up to three children, at any depth
	RemoveSupervisor float64 // one that it has added
	Add              float64 // a child
	Remove           float64 // one that it has added
	Stop             float64 // the same
	Restart          float64 // any child or supervisor
	Crash            float64 // any child or supervisor that runs: it returns an error
	Panic            float64 // or panics, or calls runtime.Goexit
	Hang             float64 // one that runs will take HangTime to stop
	Suspend          float64 // any supervisor, for SuspendTime
	Check            float64 // compare what the tree says with what runs

	FailStart float64 // that a start of a child it has added fails
	FailRun   float64 // that a run which ends by itself is a failure
	Permanent float64 // that such a child is Permanent; else Transient or Temporary

	StartTime   Span // from Run to Ready
	RunTime     Span // from Ready to its end; zero: until it is stopped
	StopTime    Span // from being asked to stop to its end
	StopTimeout Span // zero: the default
	RemoveAfter Span // from when it was added until it is removed; zero: only Remove does
	HangTime    Span
	SuspendTime Span

	Impatience float64 // that whoever asks for something waits no longer than Patience
	Patience   Span

	// Only, if not nil, leaves out all actions but those with these numbers, from 1
	// on, of the ones that the seed gives. Shrink finds them.
	Only []int

	// Rules are what has to hold at the end, besides what always does.
	Rules []Rule
}

// A Span is a range of durations, with both ends.
type Span struct{ Min, Max time.Duration }

// A Rule is a sentence about the report, and whether it is true.
type Rule struct {
	Says  string
	Holds func(*Report) bool
}

// Play does things to a running tree at random: adds, removes, stops, restarts
// and suspends, has children crash, panic and hang, and starts the tree again
// when it has given up. At last it stops the tree. In a bubble that happens in
// virtual time, else live. The tree must be one of supervisortest.Start or Run, made
// where Play is called. Nobody else may stop or start it meanwhile.
//
// The test fails, with the seed and the end of the trace, if any of these does not
// hold, at any time:
//
//   - a child has one live run at most, besides those that were abandoned, and no
//     run begins while another goes on that nobody has asked to stop
//   - no event is told of a child in a state that it cannot come from
//   - children start in declared order and stop in reverse order, where their
//     strategy says so
//   - what the tree says, Count and Children, agrees with what runs: in virtual
//     time at each check, live once within 10 s of it, as nothing stands still there
//   - never more restarts in a period than Spec.Intensity permits, and no stop that
//     takes longer than Spec.StopTimeout (of the root)
//   - no stop of a child takes longer than its StopTimeout, or live 2 s more, as far
//     as that is known: of the root's own children, and those that Play has added
//   - at the end every start has had its end, in fact and in the events, and the
//     stop report lists all runs that were abandoned
//
// and the rules of the spec.
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

// isOurs reports whether a run may have ended so because Play had it end.
func isOurs(end error) bool { return errors.Is(end, Err) || errors.Is(end, child.ErrGoexit) }

// failure is what a test is told of a run in which something did not hold.
func (r *Report) failure(more string) string {
	return fmt.Sprintf("chaos: %s, seed %d:\n%s\n%sthe end of the trace:\n%s",
		r.Name, r.Seed, strings.Join(r.Broken, "\n"), more, strings.Join(last(r.Trace, 60), "\n"))
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// prepare finds what is wrong with the spec, and puts in what it leaves open.
func (s *Spec) prepare(virtual bool) error {
	for name, chance := range s.chances() {
		if !(*chance >= 0 && *chance <= 1) {
			return fmt.Errorf("%s is %v: a chance is from 0 to 1", name, *chance)
		}
	}
	for name, span := range s.spans() {
		if span.Min < 0 || span.Max < span.Min {
			return fmt.Errorf("%s is %v to %v: want 0 <= Min <= Max", name, span.Min, span.Max)
		}
	}
	if s.Duration < 0 || s.MaxChildren < 0 || s.MaxSupervisors < 0 {
		return fmt.Errorf("a negative Duration, MaxChildren or MaxSupervisors: zero is the least")
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
		return 0, fmt.Errorf("CHAOS_SEED is %q: no such seed: give it a number that a test has logged", text)
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
