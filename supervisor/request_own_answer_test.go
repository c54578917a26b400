package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A caller's record is used again by the next caller. Each must get the answer to
// its own request, also if its context ends at the moment of the answer.

// ownError is the error of one caller's child.
type ownError struct{ name string }

func (e ownError) Error() string { return "own of " + e.name }

// A caller makes calls about its own children, and reports wrong answers.
type caller struct {
	sup  *supervisor.Supervisor
	name string
	rand *rand.Rand
	took time.Duration // of what its children do, at most
}

func (c *caller) pause() time.Duration { return time.Duration(c.rand.Int64N(int64(c.took))) }

func (c *caller) spec(name string, up time.Duration, end error) child.Spec {
	return child.Spec{Name: name, Run: func(ctx child.Context) error {
		if child.Sleep(ctx, up) {
			return context.Cause(ctx)
		}
		if end != nil {
			return end
		}
		return idle(ctx)
	}}
}

// mine reports what is wrong with an answer: one that is for another, or neither
// nil nor one of those that were to be expected.
func (c *caller) mine(err error, may ...error) error {
	if err == nil {
		return nil
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		if !strings.HasPrefix(line, "/root/"+c.name) {
			return fmt.Errorf("%s was answered %w", c.name, err)
		}
	}
	for _, want := range may {
		if errors.Is(err, want) {
			return nil
		}
	}
	return fmt.Errorf("%s was answered %w", c.name, err)
}

func (c *caller) call() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.pause()+c.pause())
	defer cancel()
	own, late := ownError{c.name}, context.DeadlineExceeded
	one, two := c.name, c.name+"+"
	switch c.rand.IntN(6) {
	case 0: // a start that fails: its own error, not that of another
		err := c.sup.StartChild(ctx, c.spec(one, c.pause(), own))
		if err == nil {
			return fmt.Errorf("%s: a start that fails was answered nil", c.name)
		}
		return c.mine(err, own, late)
	case 1: // several, of which one fails
		err := c.sup.StartChild(ctx, c.spec(one, c.pause(), nil), c.spec(two, c.pause(), own))
		if err == nil {
			return fmt.Errorf("%s: a start that fails was answered nil", c.name)
		}
		return c.mine(err, own, late)
	case 2: // refused at once
		if err := c.sup.RestartChild(ctx, one); !errors.Is(err, supervisor.ErrNotFound) {
			return fmt.Errorf("%s: is not there, and was answered %v", c.name, err)
		}
	}
	err := c.sup.StartChild(ctx, c.spec(one, c.pause(), nil), c.spec(two, c.pause(), nil))
	if err != nil {
		if _, found := c.sup.Lookup(one); found {
			return fmt.Errorf("%s: is abandoned by %w", c.name, err)
		}
		return c.mine(err, late)
	}
	if st, found := c.sup.Lookup(two); !found || st.State != child.Running {
		return fmt.Errorf("%s: a start was answered nil: %v", two, st.State)
	}
	if err := c.mine(c.sup.RestartChild(ctx, one, two), late); err != nil {
		return err
	}
	if err := c.mine(c.sup.StopChild(ctx, two, c.name+"-"), supervisor.ErrNotFound, late); err != nil {
		return err
	}
	if err := c.sup.RemoveChild(context.Background(), one, two, c.name+"-"); err != nil {
		return fmt.Errorf("%s: a removal without an end was answered %w", c.name, err)
	}
	if _, found := c.sup.Lookup(one); found {
		return fmt.Errorf("%s: a removal was answered nil", c.name)
	}
	return nil
}

// askAll has many callers make calls side by side.
func askAll(t *testing.T, s strategy.Strategy, callers, each int, took time.Duration) {
	sup := supervisor.New(supervisor.Spec{Strategy: s, Intensity: strategy.Unlimited(), Logger: quiet})
	require.NoError(t, sup.Start(context.Background()))
	wrong := make(chan error, callers)
	var asking sync.WaitGroup
	for i := range callers {
		c := &caller{sup: sup, name: fmt.Sprintf("c%02d", i), rand: rand.New(rand.NewPCG(uint64(i), uint64(s))), took: took}
		asking.Go(func() {
			for range each {
				if err := c.call(); err != nil {
					wrong <- err
					return
				}
			}
		})
	}
	asking.Wait()
	close(wrong)
	for err := range wrong {
		t.Error(err)
	}
	require.Zero(t, sup.Count())
	require.NoError(t, sup.Stop(context.Background()))
}

func TestEachCallerGetsItsOwnAnswer(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) { askAll(t, s, 30, 30, 5*time.Millisecond) })
}

// Out of a bubble, where answers and ends of contexts do not wait for each other.
func TestEachCallerGetsItsOwnAnswerInRealTime(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, s := range allStrategies {
		t.Run(s.String(), func(t *testing.T) { askAll(t, s, 20, 20, 200*time.Microsecond) })
	}
}

func TestManySpecsAndAContextThatEnds(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s})
		for _, limit := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 99 * time.Millisecond, time.Second} {
			var specs []child.Spec
			for i := range 100 {
				up := time.Millisecond // one after another
				if concurrent(s) {
					up *= time.Duration(i + 1)
				}
				specs = append(specs, child.Spec{Name: fmt.Sprint(i), Run: slow(up, time.Second)})
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errBoom)
			err := sup.StartChild(ctx, specs...)
			cancel()
			if limit == time.Second {
				require.NoError(t, err)
				require.Len(t, sup.Children(child.Running), 100)
				break
			}
			require.ErrorIs(t, err, errBoom)
			require.Zero(t, sup.Count())
		}
	})
}
