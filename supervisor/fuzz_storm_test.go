package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A storm is random calls from many goroutines against a small tree whose
// children fail, hang and call as well. All random choices come from the seed, the
// interleaving does not. So a seed does not repeat a storm exactly.
type storm struct {
	t    *testing.T
	mu   sync.Mutex
	rand *rand.Rand
	sups []*supervisor.Supervisor // the root first

	needs []string // of children that are added to the root, which is a Graph supervisor
}

func (s *storm) n(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(n)
}

func (s *storm) pause() time.Duration { return time.Duration(s.n(2000)) * time.Millisecond }

func (s *storm) sup() *supervisor.Supervisor { return s.sups[s.n(len(s.sups))] }

var stormPaths = []string{
	"a", "b", "c", "inner", "pool", "inner/x", "inner/y", "inner/pool/j1", "/root/inner/pool", "/root/b", "j1", "j2", "j3", "j4", "j5", "",
}

func (s *storm) path() string { return stormPaths[s.n(len(stormPaths))] }

// run is the Run of every child. It chooses at random what to do.
func (s *storm) run(ctx child.Context) error {
	switch s.n(12) {
	case 0:
		return errBoom
	case 1:
		return nil
	case 2:
		return child.ErrIgnore
	case 3:
		<-ctx.Done()
		return context.Cause(ctx)
	case 4:
		child.Sleep(ctx, s.pause())
	case 5:
		s.call(ctx)
	}
	if err := ctx.Ready(); err != nil {
		return err
	}
	for range s.n(4) {
		if child.Sleep(ctx, s.pause()) {
			break
		}
		switch s.n(10) {
		case 0:
			return errBoom
		case 1:
			panic(errBoom)
		case 2:
			return nil
		case 3:
			ctx.Unready(errBoom)
		case 4:
			s.call(ctx)
		}
	}
	<-ctx.Done()
	switch s.n(6) {
	case 0:
		time.Sleep(10 * time.Second) // abandoned
	case 1:
		child.Sleep(ctx.Grace(), s.pause())
	}
	return nil
}

func (s *storm) spec(name string) child.Spec {
	spec := child.Spec{
		Name: name, Run: s.run, Restart: child.Restart(s.n(3)), RetryStart: s.n(2) == 0,
		StartTimeout: []time.Duration{0, time.Second}[s.n(2)],
		StopTimeout:  []time.Duration{0, time.Second, child.AtOnce}[s.n(3)],
	}
	if s.n(2) == 0 {
		spec.Backoff = child.Constant(s.pause())
	}
	return spec
}

// declared is a spec of a child that retries a failed start, so that the tree is up for
// most of the storm.
func (s *storm) declared(name string) child.Spec {
	spec := s.spec(name)
	spec.RetryStart, spec.Backoff = true, child.Constant(s.pause()/4)
	return spec
}

func (s *storm) added() child.Spec { return s.spec(fmt.Sprint("j", s.n(6))) }

// known are the errors that a call may return.
var known = []error{
	supervisor.ErrNotRunning, supervisor.ErrNotFound, supervisor.ErrDuplicate, supervisor.ErrMaxChildren,
	supervisor.ErrSuspended, supervisor.ErrNeeded, supervisor.ErrNested, supervisor.ErrAlreadyStarted,
	child.ErrNotReady, child.ErrStopped, child.ErrRemoved, child.ErrSibling, child.ErrGaveUp, child.ErrStartTimeout,
	child.ErrShutdown, errBoom, context.DeadlineExceeded, context.Canceled,
}

func (s *storm) check(err error) {
	var stop *supervisor.StopError
	var fault *child.SpecError // such as a need that is being removed
	if err == nil || errors.As(err, &stop) || s.needs != nil && errors.As(err, &fault) || slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) {
		return
	}
	s.t.Errorf("unknown answer: %v", err)
}

// call makes one random call, from outside or with the context of a child.
func (s *storm) call(parent context.Context) {
	ctx, cancel := context.WithTimeout(parent, s.pause())
	defer cancel()
	switch sup := s.sup(); s.n(12) {
	case 0, 1:
		spec := s.added()
		if sup == s.sups[0] {
			spec.Needs = s.needs
		}
		s.check(sup.StartChild(ctx, spec))
	case 2:
		s.check(sup.StartChild(ctx, s.added(), s.spec(child.UniqueName("j")), s.spec(child.UniqueName("j"))))
	case 3:
		s.check(sup.StopChild(ctx, s.path()))
	case 4:
		s.check(sup.RemoveChild(ctx, s.path(), s.path()))
	case 5, 6:
		s.check(sup.RestartChild(ctx, s.path()))
	case 7:
		sup.Suspend(context.Background())
		time.Sleep(s.pause() / 10)
		sup.Resume(context.Background())
	case 8:
		_ = sup.Tree().String()
		_ = sup.Health()
		sup.Count()
	case 9:
		s.sups[0].Lookup(s.path())
		sup.Resume(context.Background())
	case 10:
		defer sup.Subscribe(func(supervisor.Event) { sup.Count() })()
	case 11:
		if s.n(20) == 0 {
			s.check(sup.Stop(ctx))
		} else {
			s.check(sup.Start(ctx))
		}
	}
}

func TestStorm(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 5
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			underEach(t, func(t *testing.T, strat strategy.Strategy) {
				s := &storm{t: t, rand: rand.New(rand.NewPCG(seed, uint64(strat)))}
				pool := newRoot(supervisor.Spec{Strategy: strategy.Independent, MaxChildren: 5, Intensity: strategy.AtMost(20, time.Second)})
				inner := newRoot(supervisor.Spec{Strategy: strategy.OneForAll, Intensity: strategy.AtMost(10, time.Second), Children: []child.Spec{
					s.declared("x"), {Name: "pool", Run: pool.Run}, s.declared("y"),
				}})
				top := supervisor.Spec{Strategy: strat, Intensity: strategy.AtMost(20, time.Second), StopTimeout: 20 * time.Second, Children: []child.Spec{
					s.declared("a"), s.declared("b"), {Name: "inner", Run: inner.Run}, s.declared("c"),
				}}
				if strat == strategy.Graph {
					all := top.Children
					all[0].Restart = child.Permanent
					all[1].Needs, all[2].Needs, all[2].After, all[3].Needs = []string{"a"}, []string{"a"}, []string{"b"}, []string{"inner"}
					s.needs = []string{"a"}
				}
				root := newRoot(top)
				s.sups = []*supervisor.Supervisor{root, inner, pool}
				var callers sync.WaitGroup
				for range 8 {
					callers.Go(func() {
						for range 40 {
							s.call(context.Background())
							time.Sleep(s.pause() / 4)
						}
					})
				}
				callers.Wait()
				began := time.Now()
				s.check(root.Stop(context.Background()))
				require.LessOrEqual(t, time.Since(began), 22*time.Second)
				<-root.Done()
				for _, sup := range s.sups {
					_ = sup.Stop(context.Background()) // one that a child has started by itself
					require.Zero(t, sup.Count().Active)
					for _, st := range sup.Children() {
						require.False(t, st.State.Alive(), st.Path)
						require.GreaterOrEqual(t, st.Abandoned, 0, st.Path)
					}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				for _, sup := range s.sups {
					for _, st := range sup.Children() {
						require.Zero(t, st.Abandoned, st.Path)
					}
					require.Empty(t, left(t, sup.Stop(context.Background())))
				}
			})
		})
	}
}
