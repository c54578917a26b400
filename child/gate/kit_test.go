package gate_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	name = "/shop/billing"
	ttl  = 12 * time.Second
)

var (
	errBoom = errors.New("boom")
	quiet   = slog.New(slog.DiscardHandler)
)

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// A process is a root with a gate as its child billing, on a member of an engine.
type process struct {
	*gatetest.Member
	gate *gate.Gate
	root *supervisor.Supervisor
}

// member starts a process on a new member of an engine.
func member(t *testing.T, e *gatetest.Engine, id string, spec gate.Spec) *process {
	p := &process{Member: e.Member(id, ttl)}
	spec.Elector = p.Member
	p.start(t, id, spec, supervisor.Spec{})
	return p
}

// start starts the root, and stops it at the end of the test.
func (p *process) start(t *testing.T, id string, spec gate.Spec, root supervisor.Spec) {
	t.Helper()
	if spec.Name == "" {
		spec.Name = name
	}
	if spec.Late == nil {
		spec.Late = func(err error) { t.Errorf("late: %v", err) }
	}
	p.gate = gate.New(spec)
	root.Name = id
	root.Children = append([]child.Spec{{Name: "billing", Run: p.gate.Run}}, root.Children...)
	p.root = testkit.Root(t, root)
	require.NoError(t, p.root.Start(t.Context()))
	synctest.Wait()
}

// billing returns the status of the gate's child.
func (p *process) billing(t *testing.T) child.Status {
	t.Helper()
	st, ok := p.root.Lookup("billing")
	require.True(t, ok)
	return st
}

// text returns what the gate says of itself.
func (p *process) text(t *testing.T) string { return p.billing(t).Text }

var idle = testkit.Idle

// guarding runs idle, and sends the cause of its stop.
func guarding(causes chan<- error) func(child.Context) error {
	return func(ctx child.Context) error {
		err := idle(ctx)
		causes <- context.Cause(ctx)
		return err
	}
}

// after lets time pass in a bubble.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// stop stops the root, which must take no longer than that.
func (p *process) stop(t *testing.T, within time.Duration) {
	t.Helper()
	began := time.Now()
	require.NoError(t, p.root.Stop(context.Background()))
	require.LessOrEqual(t, time.Since(began), within)
}
