package supervisor_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// A porter is an Around that records which runs begin and end.
type porter struct {
	name string
	mu   *sync.Mutex
	log  *[]string
}

func (p porter) around(ctx child.Context, run func(child.Context) error) error {
	p.note("in", ctx.Path())
	defer p.note("out", ctx.Path())
	return run(ctx)
}

func (p porter) note(what, path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.log = append(*p.log, p.name+" "+what+" "+path)
}

func TestAroundIsCalledForEachRunOfTheSubtreeTheOuterOneFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		a := newPuppet()
		inner := newRoot(supervisor.Spec{Around: porter{"inner", &mu, &log}.around, Children: []child.Spec{{Name: "a", Run: a.Run}}})
		sup := start(t, supervisor.Spec{Around: porter{"outer", &mu, &log}.around, Children: []child.Spec{{Name: "jobs", Run: inner.Run}}})
		first := []string{"outer in /root/jobs", "outer in /root/jobs/a", "inner in /root/jobs/a"}
		require.Equal(t, first, log)
		log = nil
		a.end(errBoom)
		require.Equal(t, []string{"inner out /root/jobs/a", "outer out /root/jobs/a", "outer in /root/jobs/a", "inner in /root/jobs/a"}, log)
		log = nil
		require.NoError(t, inner.StartChild(t.Context(), child.Spec{Name: "b", Run: (&supervisortest.Child{StopAfter: child.Forever}).Run, StopTimeout: child.AtOnce}))
		require.Equal(t, []string{"outer in /root/jobs/b", "inner in /root/jobs/b"}, log, "of a dynamic child")
		require.NoError(t, sup.Stop(t.Context()))
		require.False(t, slices.Contains(log, "inner in /root/jobs"), "the inner one is for what is below")
	})
}

func TestAroundMayChangeTheContextAndTheEndOfARun(t *testing.T) {
	for name, end := range map[string]func() error{
		"error": func() error { return errBoom },
		"panic": func() error { panic(errBoom) },
		"goexit": func() error {
			runtime.Goexit()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				type key struct{}
				var got any
				sup := start(t, supervisor.Spec{
					Backoff: child.Constant(time.Hour),
					Around: func(ctx child.Context, run func(child.Context) error) error {
						inner, cancel := context.WithTimeout(context.WithValue(ctx, key{}, "value"), time.Second)
						defer cancel()
						if err := run(child.FromContext(inner)); !errors.Is(err, context.DeadlineExceeded) {
							return err
						}
						return end()
					},
					Children: []child.Spec{{Name: "a", Run: child.Plain(func(ctx context.Context) error {
						got = ctx.Value(key{})
						<-ctx.Done()
						return ctx.Err()
					})}},
				})
				synctest.Wait()
				require.Equal(t, "value", got)
				time.Sleep(time.Second + time.Millisecond)
				st, _ := sup.Lookup("a")
				require.Equal(t, child.Waiting, st.State)
				if name == "goexit" {
					require.ErrorIs(t, st.LastError, child.ErrGoexit)
				} else {
					require.ErrorIs(t, st.LastError, errBoom)
				}
			})
		})
	}
}

func TestAroundTakesEffectAtTheNextStartOfTheSupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		spec := supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: newPuppet().Run}}}
		sup := start(t, spec)
		spec.Around = porter{"new", &mu, &log}.around
		require.NoError(t, sup.Upgrade(spec))
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Empty(t, log)
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, []string{"new in /root/a"}, log)
	})
}
