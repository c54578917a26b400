package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestSentinelsCountWrappedTooAndTheOutermostDecides(t *testing.T) {
	const (
		failed   = onceFailed + wasRestarted + ": running"
		done     = "completed: done"
		again    = onceWell + wasRestarted + ": running"
		escalate = "failed gave-up: gave up"
	)
	for _, c := range []struct {
		err  error
		want string // of a Permanent child
	}{
		{fmt.Errorf("all read: %w", child.ErrDone), done},
		{fmt.Errorf("all: %w", fmt.Errorf("read: %w", child.ErrDone)), done},
		{errors.Join(errBoom, child.ErrDone), done},
		{errors.Join(errBoom, fmt.Errorf("%w and %w", errBoom, child.ErrShutdown)), again},
		{fmt.Errorf("%w: %w", child.ErrDone, errBoom), done},
		{fmt.Errorf("disk: %w", child.Escalate(errBoom)), escalate},
		{child.Escalate(child.ErrDone), escalate},
		{child.Escalate(child.Escalate(errBoom)), escalate},
		{errors.Join(child.ErrDone, child.Escalate(errBoom)), done},
		{errors.Join(child.Escalate(errBoom), child.ErrDone), escalate},
		{errors.Join(child.ErrShutdown, child.ErrDone), again},
		{errors.Join(fmt.Errorf("deep: %w", child.ErrDone), child.ErrShutdown), done},
		{&child.PanicError{Value: child.ErrDone}, done},
		{errors.New(child.ErrDone.Error()), failed},
		{claims{child.ErrDone}, done},
		{claims{child.ErrShutdown}, again},
		{fmt.Errorf("claimed: %w", claims{child.ErrDone}), done},
		{claims{errBoom}, failed},
		{&supervisor.StopError{}, failed},
		{&supervisor.ChildError{Path: "/x/y", Err: child.ErrDone}, failed}, // meant for the supervisor /x
		{&supervisor.ChildError{Path: "/x/y", Err: child.Escalate(errBoom)}, failed},
		{fmt.Errorf("mine: %w", &supervisor.ChildError{Path: "/x/y", Err: child.ErrDone}), failed},
		{&supervisor.GaveUpError{Path: "/x", Err: child.ErrDone}, onceFailed + wasRestarted + ": running"},
		{&supervisor.GaveUpError{Path: "/x", Err: child.Escalate(errBoom)}, onceFailed + wasRestarted + ": running"},
	} {
		t.Run(fmt.Sprintf("%T %v", c.err, c.err), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := endOf(t, child.Spec{}, returning(c.err))
				require.Equal(t, c.want, a.events+": "+a.left)
				require.Equal(t, c.err, a.err, "the event has the error as it is")
			})
		})
	}
}

// claims is an error that is, by its own Is, another one.
type claims struct{ target error }

func (c claims) Error() string        { return "claims to be " + c.target.Error() }
func (c claims) Is(target error) bool { return target == c.target }

// Errors whose methods misbehave.
type (
	panicsInIs       struct{ error }
	panicsInUnwrap   struct{ error }
	exitsInUnwrap    struct{ error }
	wrapsItself      struct{ error }
	wrapsItselfTwice struct{ error }
	uncomparable     []error
	uncomparableDone []error
)

func (panicsInIs) Is(error) bool              { panic("Is of an error") }
func (panicsInUnwrap) Unwrap() error          { panic("Unwrap of an error") }
func (exitsInUnwrap) Unwrap() error           { return goexit() }
func (e wrapsItself) Unwrap() error           { return e }
func (e wrapsItselfTwice) Unwrap() []error    { return []error{e, e} }
func (uncomparable) Error() string            { return "uncomparable" }
func (e uncomparable) Unwrap() []error        { return e }
func (uncomparableDone) Error() string        { return "uncomparable" }
func (uncomparableDone) Is(target error) bool { return target == child.ErrDone }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

var hostile = map[string]error{
	"Is panics":              panicsInIs{errBoom},
	"Unwrap panics":          panicsInUnwrap{errBoom},
	"Unwrap calls Goexit":    exitsInUnwrap{errBoom},
	"a chain without end":    wrapsItself{errBoom},
	"a tree without end":     wrapsItselfTwice{errBoom},
	"of a type like []error": uncomparable{errBoom, uncomparable{}},
	"a typed nil":            (*nilError)(nil),
	"a panic with such":      &child.PanicError{Value: wrapsItself{errBoom}},
}

func TestHostileErrorIsAFailureLikeAnyOther(t *testing.T) {
	for name, err := range hostile {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := endOf(t, child.Spec{Restart: child.Transient}, returning(err))
				require.Equal(t, onceFailed+wasRestarted+": running", a.events+": "+a.left)
			})
		})
	}
}

func TestHostileErrorOfAStartReachesTheCaller(t *testing.T) {
	for name, hostile := range hostile {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{})
				recorded := record(t, sup)
				require.NotNil(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: unready(returning(hostile))}))
				require.Equal(t, []string{"starting a", "failed a", "removed a"}, recorded.lines())
			})
		})
	}
}

func TestHostileErrorOfAStopOrOfOnErrorIsReported(t *testing.T) {
	for name, hostile := range hostile {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
					_ = ctx.Ready()
					ctx.OnError(hostile)
					ctx.Unready(hostile)
					<-ctx.Done()
					return hostile
				}}}})
				synctest.Wait()
				recorded := record(t, sup)
				require.NotNil(t, sup.Health())
				require.Len(t, unclean(t, sup.StopChild(t.Context(), "a")), 1)
				require.Equal(t, []string{"stopping a", "stopped a"}, recorded.lines())
			})
		})
	}
}

func TestUncomparableErrorMayBeASentinelByItsIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{}, returning(fmt.Errorf("so: %w", uncomparableDone{errBoom})))
		require.Equal(t, "completed: done", a.events+": "+a.left)
	})
}

// A sentinel deep inside still counts. Only an endless chain is cut off.
func TestSentinelBelowAHundredWrappingsCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		err := child.ErrDone
		for range 500 {
			err = fmt.Errorf("in: %w", err)
		}
		require.Equal(t, "done", endOf(t, child.Spec{}, returning(err)).left)
	})
}
