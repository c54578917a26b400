package supervisor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A gated child is ready, and returns after its context has ended, when the test says so.
type gated struct{ up, down chan struct{} }

func newGated() *gated { return &gated{make(chan struct{}), make(chan struct{})} }

func (g *gated) Run(ctx child.Context) error {
	select {
	case <-g.up:
	case <-ctx.Done():
	}
	if err := ctx.Ready(); err != nil {
		<-g.down
		return err
	}
	<-ctx.Done()
	<-g.down
	return nil
}

// Children of one call are ready, and stop, in any order; the call returns after the last.
func TestCallForSeveralChildrenReturnsAfterTheLastAnswer(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.Independent, strategy.Graph} {
		for seed := range uint64(20) {
			bubble(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				n := 1 + r.IntN(20)
				sup := start(t, supervisor.Spec{Strategy: s})
				children, specs, names := make([]*gated, n), make([]child.Spec, n), make([]string, n)
				for i := range n {
					children[i], names[i] = newGated(), fmt.Sprint("c", i)
					specs[i] = child.Spec{Name: names[i], Run: children[i].Run, StopTimeout: time.Hour}
				}
				inAnyOrder := func(call func() error, each func(i int)) {
					result := make(chan error, 1)
					go func() { result <- call() }()
					for _, i := range r.Perm(n) {
						synctest.Wait()
						require.Empty(t, result)
						each(i)
					}
					require.NoError(t, <-result)
				}
				inAnyOrder(func() error { return sup.StartChild(t.Context(), specs...) }, func(i int) { close(children[i].up) })
				require.Len(t, sup.Children(), n)
				inAnyOrder(func() error { return sup.RemoveChild(t.Context(), names...) }, func(i int) { close(children[i].down) })
				require.Empty(t, sup.Children())
			})
		}
	}
}

// If the context ends between two answers, the call rolls back all of its children.
func TestCallForSeveralChildrenThatIsCutOffBetweenTwoAnswersRemovesThemAll(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.Independent, strategy.Graph} {
		for ready := range 3 {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Strategy: s})
				children, specs := make([]*gated, 3), make([]child.Spec, 3)
				for i := range specs {
					children[i] = newGated()
					close(children[i].down)
					specs[i] = child.Spec{Name: fmt.Sprint("c", i), Run: children[i].Run}
				}
				ctx, cancel := context.WithCancel(t.Context())
				result := make(chan error, 1)
				go func() { result <- sup.StartChild(ctx, specs...) }()
				for i := range ready {
					close(children[2-i].up) // the first stays away
					synctest.Wait()
				}
				cancel()
				require.ErrorIs(t, <-result, context.Canceled)
				require.Empty(t, sup.Children())
				for i := range specs { // the calls that follow are not confused by answers of this one
					specs[i].Run = idle
				}
				require.NoError(t, sup.StartChild(t.Context(), specs...))
				require.NoError(t, sup.StopChild(t.Context(), "c0"))
			})
		}
	}
}

// However many specs there are: each that has the name of an earlier one is a fault.
func TestEverySecondUseOfANameIsAFault(t *testing.T) {
	for n := range 40 {
		specs := make([]child.Spec, n)
		for i := range specs {
			specs[i] = child.Spec{Name: fmt.Sprint("c", i%(n/2+1)), Run: idle}
		}
		err := supervisor.Spec{Children: specs}.Validate()
		if n < 2 {
			require.NoError(t, err)
			continue
		}
		var faults []string
		for i := n/2 + 1; i < n; i++ {
			faults = append(faults, fmt.Sprintf("/root/c%d: Name: already in use by another child", i%(n/2+1)))
		}
		if len(faults) == 0 {
			require.NoError(t, err)
			continue
		}
		joined, _ := err.(interface{ Unwrap() []error })
		require.NotNil(t, joined)
		var got []string
		for _, err := range joined.Unwrap() {
			got = append(got, err.Error())
		}
		require.Equal(t, faults, got)
	}
}
