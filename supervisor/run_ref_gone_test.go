package supervisor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A hawker offers the number of its run until the test has it withdraw that, and ends as
// its puppet does.
type hawker struct {
	puppet
	offer    child.Ref[int]
	withdraw context.CancelFunc
	runs     int
}

func newHawker() *hawker { return new(hawker) }

func (h *hawker) Run(ctx child.Context) error {
	h.runs++
	derived, cancel := context.WithCancel(ctx)
	h.withdraw = cancel
	h.offer.Set(child.FromContext(derived), h.runs)
	return h.puppet.Run(ctx)
}

// asks starts a goroutine that waits for an offer. The function that it returns reports
// the result: an offer, an error, or that it still waits. Then it ends the wait.
func (h *hawker) asks() (came func() string) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan string, 1)
	go func() {
		n, err := h.offer.Get(ctx)
		if err != nil {
			result <- err.Error()
		} else {
			result <- fmt.Sprint("run ", n)
		}
	}()
	return func() string {
		defer cancel()
		synctest.Wait()
		select {
		case r := <-result:
			return r
		default:
			return "waits"
		}
	}
}

func TestRefOfAChildThatIsGoneForGood(t *testing.T) {
	const gone = "/root/h: gone for good"
	type does = func(t *testing.T, sup *supervisor.Supervisor, h *hawker)
	all := func(steps ...does) does {
		return func(t *testing.T, sup *supervisor.Supervisor, h *hawker) {
			for _, step := range steps {
				step(t, sup, h)
			}
		}
	}
	fail := func(_ *testing.T, _ *supervisor.Supervisor, h *hawker) { h.end(errBoom) }
	stop := func(t *testing.T, sup *supervisor.Supervisor, _ *hawker) {
		require.NoError(t, sup.StopChild(t.Context(), "h"))
	}
	remove := func(t *testing.T, sup *supervisor.Supervisor, _ *hawker) {
		require.NoError(t, sup.RemoveChild(t.Context(), "h"))
	}
	stopAll := func(t *testing.T, sup *supervisor.Supervisor, _ *hawker) { require.NoError(t, sup.Stop(t.Context())) }
	for name, c := range map[string]struct {
		spec                 child.Spec
		end                  does
		ordered, independent string
	}{
		"it is removed":                {child.Spec{}, remove, gone, gone},
		"it is stopped by hand":        {child.Spec{}, stop, "waits", gone},
		"it is removed when stopped":   {child.Spec{}, all(stop, remove), gone, gone},
		"Temporary, it is stopped":     {child.Spec{Restart: child.Temporary}, stop, gone, gone},
		"Temporary, it fails":          {child.Spec{Restart: child.Temporary}, fail, gone, gone},
		"Transient, it ends well":      {child.Spec{Restart: child.Transient}, func(_ *testing.T, _ *supervisor.Supervisor, h *hawker) { h.end(nil) }, gone, gone},
		"it waits for its restart":     {child.Spec{Backoff: child.Constant(time.Hour)}, fail, "waits", "waits"},
		"it is removed when it waits":  {child.Spec{Backoff: child.Constant(time.Hour)}, all(fail, remove), gone, gone},
		"its supervisor gives up":      {child.Spec{Backoff: child.Constant(time.Hour).Retries(0)}, fail, gone, gone},
		"its tree is stopped":          {child.Spec{}, stopAll, gone, gone},
		"its tree, when it is stopped": {child.Spec{}, all(stop, stopAll), gone, gone},
		"its tree, when it is removed": {child.Spec{}, all(remove, stopAll), gone, gone},
		"its tree, while it waits":     {child.Spec{Backoff: child.Constant(time.Hour)}, all(fail, stopAll), gone, gone},
		"it is restarted":              {child.Spec{}, fail, "run 2", "run 2"},
	} {
		t.Run(name, func(t *testing.T) {
			underEach(t, func(t *testing.T, s strategy.Strategy) {
				h := newHawker()
				c.spec.Name, c.spec.Run = "h", h.Run
				want := c.ordered
				if s == strategy.Independent {
					want = c.independent
				}
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{c.spec}})
				require.Equal(t, "run 1", h.asks()())
				h.withdraw()
				before := h.asks()
				synctest.Wait()
				c.end(t, sup, h)
				after := h.asks()
				require.Equal(t, want, before(), "a caller that has waited already")
				require.Equal(t, want, after(), "a later caller")
			})
		})
	}
}

// The name decides which child it is.
func TestRefIsGoodAgainWhenItsChildIsReplaced(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		h := newHawker()
		slowly := child.Spec{Name: "h", Run: func(ctx child.Context) error {
			time.Sleep(time.Second)
			return h.Run(ctx)
		}}
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{slowly}})
		require.NoError(t, sup.RemoveChild(t.Context(), "h"))
		require.Equal(t, "/root/h: gone for good", h.asks()())
		go func() { _ = sup.StartChild(context.Background(), slowly) }()
		synctest.Wait()
		got, err := h.offer.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, got)
	})
}

// While the child is being stopped, a caller may still start it again, and a slow stop
// may end in a restart.
func TestRefOfAChildThatIsBeingStoppedWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v := newVendor()
		v.lately = time.Second
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "v", Run: v.Run}}})
		go func() { _ = sup.RemoveChild(context.Background(), "v") }()
		synctest.Wait()
		began := time.Now()
		_, err := v.offer.Get(t.Context())
		require.ErrorIs(t, err, child.ErrGone)
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestRefIsGoodAgainWhenItsChildIsStartedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHawker()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "h", Restart: child.Transient, Run: func(ctx child.Context) error {
			time.Sleep(time.Second)
			return h.Run(ctx)
		}}}})
		h.end(nil)
		require.Equal(t, "/root/h: gone for good", h.asks()())
		go func() { _ = sup.RestartChild(context.Background(), "h") }()
		synctest.Wait()
		got, err := h.offer.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, got)
	})
}

// A tree that is started again is waited for from its start on, by a child too that
// comes before the one that makes the offer.
func TestRefIsGoodAgainWhenItsTreeIsStartedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHawker()
		offers := make(chan int, 2)
		sup := newRoot(supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "user", Run: func(ctx child.Context) error {
				n, err := h.offer.Get(ctx)
				if err != nil {
					return err
				}
				offers <- n
				return idle(ctx)
			}},
			{Name: "h", Run: func(ctx child.Context) error {
				time.Sleep(time.Second)
				return h.Run(ctx)
			}},
		}})
		for run := range 2 {
			require.NoError(t, sup.Start(t.Context()))
			require.Equal(t, run+1, <-offers)
			require.NoError(t, sup.Stop(t.Context()))
			require.Equal(t, "/root/h: gone for good", h.asks()())
		}
	})
}

// The child of a nested supervisor that is down comes back with that, unless it was
// added at run time, or its supervisor is gone for good itself.
func TestRefOfAChildOfANestedSupervisor(t *testing.T) {
	for name, c := range map[string]struct {
		jobs  child.Spec
		do    func(t *testing.T, root, jobs *supervisor.Supervisor)
		later time.Duration
		want  [2]string // for a declared child, for an added one
	}{
		"it waits for its restart": {
			jobs: child.Spec{Backoff: child.Constant(time.Minute)},
			want: [2]string{"waits", "waits"},
		},
		"it was restarted": {
			jobs: child.Spec{Backoff: child.Constant(time.Minute)}, later: time.Hour,
			want: [2]string{"run 2", "/root/mid/jobs/h: gone for good"},
		},
		"it is lost": {
			jobs: child.Spec{Restart: child.Transient},
			want: [2]string{"/root/mid/jobs/h: gone for good", "/root/mid/jobs/h: gone for good"},
		},
		"it is removed while it waits for its restart": {
			jobs: child.Spec{Backoff: child.Constant(time.Minute)},
			do: func(t *testing.T, root, _ *supervisor.Supervisor) {
				require.NoError(t, root.RemoveChild(t.Context(), "mid/jobs"))
			},
			want: [2]string{"/root/mid/jobs/h: gone for good", "/root/mid/jobs/h: gone for good"},
		},
		"what it stands in is stopped by hand": {
			do: func(t *testing.T, root, _ *supervisor.Supervisor) {
				require.NoError(t, root.StopChild(t.Context(), "mid"))
			},
			want: [2]string{"waits", "waits"},
		},
		"what it stands in is removed": {
			do: func(t *testing.T, root, _ *supervisor.Supervisor) {
				require.NoError(t, root.RemoveChild(t.Context(), "mid"))
			},
			want: [2]string{"/root/mid/jobs/h: gone for good", "/root/mid/jobs/h: gone for good"},
		},
		"what it stands in is restarted by hand": {
			do: func(t *testing.T, root, _ *supervisor.Supervisor) {
				require.NoError(t, root.RestartChild(t.Context(), "mid"))
			},
			want: [2]string{"run 2", "/root/mid/jobs/h: gone for good"},
		},
		"the tree has ended": {
			do: func(t *testing.T, root, _ *supervisor.Supervisor) {
				require.NoError(t, root.Stop(t.Context()))
			},
			want: [2]string{"/root/mid/jobs/h: gone for good", "/root/mid/jobs/h: gone for good"},
		},
	} {
		for i, added := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, added %v", name, added), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					h := newHawker()
					spec := child.Spec{Name: "h", Run: h.Run}
					declared := []child.Spec{{Name: "slow", Run: slow(0, time.Second)}} // the last to stop
					if !added {
						declared = append(declared, spec)
					}
					jobs := newRoot(supervisor.Spec{Children: declared})
					c.jobs.Name, c.jobs.Run = "jobs", jobs.Run
					mid := newRoot(supervisor.Spec{Children: []child.Spec{c.jobs}})
					root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "mid", Run: mid.Run}}})
					if added {
						require.NoError(t, jobs.StartChild(t.Context(), spec))
					}
					h.withdraw()
					before := h.asks()
					synctest.Wait()
					if c.jobs.Backoff != nil || c.jobs.Restart != child.Permanent {
						require.NoError(t, jobs.StartChild(t.Context(), child.Spec{Name: "ends it all", Run: func(ctx child.Context) error {
							_ = ctx.Ready()
							return child.Escalate(errBoom)
						}}))
						synctest.Wait()
						require.Equal(t, child.Stopping, state(t, jobs, "slow"))
						stopping := h.asks()
						synctest.Wait()
						require.Equal(t, "waits", stopping(), "it may be restarted")
						time.Sleep(time.Second)
						synctest.Wait()
					}
					if c.do != nil {
						c.do(t, root, jobs)
					}
					time.Sleep(c.later)
					after := h.asks()
					require.Equal(t, c.want[i], before(), "a caller that has waited already")
					require.Equal(t, c.want[i], after(), "a later caller")
				})
			})
		}
	}
}

// When the root stops, what is down stays down, however long the others take.
func TestRefIsNotWaitedForWhileItsTreeStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := newHawker()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "slow", Run: slow(0, time.Second)}, {Name: "h", Run: h.Run}}})
		require.NoError(t, sup.StopChild(t.Context(), "h"))
		before := h.asks()
		synctest.Wait()
		go func() { _ = sup.Stop(context.Background()) }()
		require.Equal(t, "/root/h: gone for good", before())
		require.Equal(t, "/root/h: gone for good", h.asks()())
		require.Equal(t, child.Stopping, sup.Tree().State)
	})
}

// A child that is done comes back with its group.
func TestRefIsWaitedForWhileItsGroupIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, p := newHawker(), newPuppet()
		start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "slow", Run: slow(0, time.Second)},
			{Name: "h", Run: h.Run, Restart: child.Transient},
			{Name: "p", Run: p.Run},
		}})
		h.end(nil)
		require.Equal(t, "/root/h: gone for good", h.asks()())
		p.end(errBoom)
		got, err := h.offer.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, got)
	})
}

// held is the context of a run in which a supervisor blocks before it starts its
// children.
type held struct {
	child.Context
	free chan struct{}
}

func (h held) Err() error {
	<-h.free
	return h.Context.Err()
}

func TestRefIsWaitedForUntilTheChildrenAreKnown(t *testing.T) {
	for _, added := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			h, ends := newHawker(), newPuppet()
			declared := []child.Spec{{Name: "ends", Run: ends.Run}}
			if !added {
				declared = append(declared, child.Spec{Name: "h", Run: h.Run})
			}
			jobs := newRoot(supervisor.Spec{Intensity: none, Children: declared})
			free := make(chan struct{})
			close(free)
			start(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: func(ctx child.Context) error {
				return jobs.Run(held{ctx, free})
			}}}})
			if added {
				require.NoError(t, jobs.StartChild(t.Context(), child.Spec{Name: "h", Run: h.Run}))
			}
			free = make(chan struct{})
			ends.end(errBoom) // and jobs is restarted
			came := h.asks()
			synctest.Wait()
			close(free)
			if added {
				require.Equal(t, "/root/jobs/h: gone for good", came())
			} else {
				require.Equal(t, "run 2", came())
			}
		})
	}
}

func TestRefThatWasNeverSetWaitsUntilItsContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var never child.Ref[int]
		sup := start(t, supervisor.Spec{})
		require.NoError(t, sup.Stop(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := never.Get(ctx)
		require.Equal(t, context.DeadlineExceeded, err)
	})
}

// Whatever happens to the tree while many wait, in the end all have an answer. One that was
// not woken would wait forever, and the bubble would fail.
func TestRefOfATreeThatHasEndedIsNotWaitedFor(t *testing.T) {
	for seed := range uint64(20) {
		underEach(t, func(t *testing.T, s strategy.Strategy) {
			r := rand.New(rand.NewPCG(seed, uint64(s)))
			var offers [3]child.Ref[int]
			trader := func(i int) func(child.Context) error {
				return func(ctx child.Context) error {
					offers[i].Set(ctx, i)
					if err := ctx.Ready(); err != nil {
						return err
					}
					child.Sleep(ctx, time.Duration(1+i)*time.Second)
					if !ctx.ShouldHalt() {
						return errBoom
					}
					return nil
				}
			}
			pause := child.Constant(700 * time.Millisecond)
			inner := newRoot(supervisor.Spec{Strategy: s, Backoff: pause.Retries(3), Children: []child.Spec{{Name: "c", Run: trader(2)}}})
			sup := startLoosely(t, supervisor.Spec{Strategy: s, Backoff: pause, Children: []child.Spec{
				{Name: "a", Run: trader(0)}, {Name: "b", Run: trader(1), Restart: child.Temporary}, {Name: "inner", Run: inner.Run},
			}})
			var all sync.WaitGroup
			for range 30 {
				offer := &offers[r.IntN(len(offers))]
				all.Go(func() {
					for range 1000 {
						if _, err := offer.Get(context.Background()); err != nil {
							assert.ErrorIs(t, err, child.ErrGone)
							if sup.Tree().State == child.Stopped {
								return
							}
						}
						time.Sleep(300 * time.Millisecond)
					}
					t.Error("Get still returns a value, or the tree has not ended")
				})
				switch path := []string{"a", "b", "inner", "inner/c"}[r.IntN(4)]; r.IntN(4) {
				case 0:
					_ = sup.StopChild(t.Context(), path)
				case 1:
					_ = sup.RestartChild(t.Context(), path)
				case 2:
					_ = sup.RemoveChild(t.Context(), path)
				default:
					_ = inner.StartChild(t.Context(), child.Spec{Name: "c", Run: trader(2), Restart: child.Transient})
				}
				time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
			}
			require.NoError(t, sup.Stop(t.Context()))
			all.Wait()
		})
	}
}
