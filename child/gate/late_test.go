package gate_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// A stubborn does not stop before it is freed.
type stubborn struct{ free chan struct{} }

func newStubborn(t *testing.T) *stubborn {
	s := &stubborn{make(chan struct{})}
	t.Cleanup(s.let)
	return s
}

func (s *stubborn) let() {
	select {
	case <-s.free:
	default:
		close(s.free)
	}
}

func (s *stubborn) Run(ctx child.Context) error {
	err := ctx.Ready()
	<-s.free
	return err
}

// lates returns a Spec.Late that keeps what it gets.
func lates() (chan *gate.LateError, func(error)) {
	c := make(chan *gate.LateError, 10)
	return c, func(err error) {
		var late *gate.LateError
		errors.As(err, &late)
		c <- late
	}
}

func TestWhatIsAbandonedIsLateWhenTheLeaseEndsAndNothingIsReleased(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		s := newStubborn(t)
		got, late := lates()
		tree := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "send", Run: s.Run}, {Name: "other", Run: idle},
		}})
		a := member(t, e, "a", gate.Spec{Run: tree.Run, Late: late})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Minute)
		began := time.Now()
		err := a.gate.Yield(t.Context())
		require.Equal(t, 4*time.Second, time.Since(began), "StopWithin bounds the stop")
		require.ErrorContains(t, err, "the lease is not released: /a/billing/guarded/send: did not stop within 4s")
		end := a.gate.State().Until
		require.Zero(t, end)
		require.Empty(t, got)
		require.False(t, b.gate.Open())
		l := <-got
		require.False(t, b.gate.Open(), "Late is called before another can lead")
		require.EqualValues(t, 1, l.Token)
		require.Len(t, l.Runs, 1)
		require.Equal(t, "/a/billing/guarded/send", l.Runs[0].Path)
		require.Contains(t, string(l.Runs[0].Stack), "(*stubborn).Run")
		require.EqualError(t, l, "/shop/billing: the lease with token 1 has ended, and this has not stopped: /a/billing/guarded/send")
		after(ttl)
		require.True(t, b.gate.Open())
		require.Empty(t, got, "Late is called once")
		s.let()
	})
}

// What such a Run does after its supervisor has ended has no stop timeout of its own: it would
// begin when the supervisor ends.
func TestStopWithinBoundsTheStopOfARunThatWrapsASupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStubborn(t)
		tree := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "send", Run: func(ctx child.Context) error {
			err := idle(ctx)
			time.Sleep(3 * time.Second)
			return err
		}}}})
		got, late := lates()
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Late: late, Run: func(ctx child.Context) error {
			defer func() { <-s.free }()
			return tree.Run(ctx)
		}})
		after(time.Minute)
		began := time.Now()
		err := a.gate.Yield(t.Context())
		require.Equal(t, 4*time.Second, time.Since(began))
		require.ErrorContains(t, err, "the lease is not released: /a/billing/guarded: did not stop")
		require.Equal(t, "/a/billing/guarded", (<-got).Runs[0].Path)
	})
}

func TestWhatReturnsBeforeTheLeaseEndsIsNotLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, runs := newStubborn(t), 0
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: func(ctx child.Context) error {
			if runs++; runs == 1 {
				return s.Run(ctx)
			}
			return idle(ctx)
		}}) // Late fails the test
		after(time.Minute)
		require.Error(t, a.gate.Yield(t.Context()))
		s.let()
		after(10 * ttl)
		require.True(t, a.gate.Open())
	})
}

// Late is called also if the gate has ended, and its supervisor, too.
func TestLateIsCalledAfterTheGateHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStubborn(t)
		got, late := lates()
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: s.Run, Late: late})
		after(time.Minute)
		var stop *supervisor.StopError
		require.ErrorAs(t, a.root.Stop(context.Background()), &stop)
		require.Len(t, stop.Abandoned, 1)
		require.Equal(t, "/a/billing/guarded", stop.Abandoned[0].Path)
		require.Empty(t, got)
		require.Equal(t, "/a/billing/guarded", (<-got).Runs[0].Path)
		s.let()
	})
}

// A child with child.AtOnce is not waited for, and in no report. It may be late nevertheless.
func TestAChildThatIsNotWaitedForMayBeLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStubborn(t)
		got, late := lates()
		tree := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: s.Run, StopTimeout: child.AtOnce}}})
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: tree.Run, Late: late})
		after(time.Minute)
		require.ErrorContains(t, a.gate.Yield(t.Context()), "not released")
		require.Equal(t, "/a/billing/guarded/x", (<-got).Runs[0].Path)
		s.let()
	})
}

func TestAFailureThatLeavesARunBehindReleasesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		s := newStubborn(t)
		tree := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "stuck", Run: s.Run, StopTimeout: time.Second},
			{Name: "fails", Run: ends(time.Minute, func() error { return child.Escalate(errBoom) })},
		}})
		a := member(t, e, "a", gate.Spec{Run: tree.Run, Late: gate.Fence})
		after(time.Minute + 2*time.Second)
		require.ErrorIs(t, a.billing(t).LastError, errBoom)
		h, err := a.Holder(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, "a", h.ID)
		after(3 * ttl)
		require.True(t, a.gate.Open())
		s.let()
	})
}

func TestLateNamesAFewOfMany(t *testing.T) {
	e := &gate.LateError{Name: "x\n", Token: 7}
	for range 9 {
		e.Runs = append(e.Runs, gate.LateRun{Path: "/a/\x1b"})
	}
	require.EqualError(t, e, `x\n: the lease with token 7 has ended, and this has not stopped: `+strings.Repeat(`/a/\x1b, `, 5)+"and 4 more")
	require.EqualError(t, (*gate.LateError)(nil), "nil *gate.LateError")
}

// Crash is the default. It ends the process, which therefore is one of its own here.
func TestCrashEndsTheProcessWithPathAndStack(t *testing.T) {
	if os.Getenv("GATE_CRASHES") != "" {
		synctest.Test(t, func(t *testing.T) {
			s := newStubborn(t)
			g := gate.New(gate.Spec{Name: name, Elector: gatetest.NewEngine().Member("a", ttl), Run: s.Run})
			root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "billing", Run: g.Run}}})
			require.NoError(t, root.Start(t.Context()))
			time.Sleep(time.Second)
			_ = root.Stop(context.Background())
			time.Sleep(time.Hour)
		})
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashEndsTheProcessWithPathAndStack$")
	cmd.Env = append(os.Environ(), "GATE_CRASHES=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode(), "%s", out)
	require.Contains(t, string(out), "panic: /shop/billing: the lease with token 1 has ended, and this has not stopped: /root/billing/guarded\n")
	require.Contains(t, string(out), "(*stubborn).Run")
}
