package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// got takes what is in a channel now, as "failed /root/a".
func got(events <-chan supervisor.Event) (lines []string) {
	for {
		synctest.Wait()
		select {
		case e, open := <-events:
			if !open {
				return append(lines, "closed")
			}
			lines = append(lines, e.Kind.String()+" "+e.Path)
		default:
			return lines
		}
	}
}

func TestWatchReportsOneChildASupervisorOrASubtree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, ab, x := newPuppet(), newPuppet(), newPuppet()
		jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: x.Run}, {Name: "a", Run: idle}}})
		root := newRoot(supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "a", Run: a.Run}, {Name: "ab", Run: ab.Run}, {Name: "jobs", Run: jobs.Run},
		}})
		failed := supervisor.EventFailed
		all := root.Watch(t.Context(), "", failed)
		one := root.Watch(t.Context(), "a", failed)
		full := root.Watch(t.Context(), "/shop/a", failed)
		below := root.Watch(t.Context(), "jobs", failed)
		leaf := root.Watch(t.Context(), "jobs/x", failed)
		fromBelow := jobs.Watch(t.Context(), "x", failed) // before it knows its place
		itself := jobs.Watch(t.Context(), "/shop/jobs", failed)
		nobody := root.Watch(t.Context(), "b", failed)
		outside := jobs.Watch(t.Context(), "/shop/a", failed)
		require.NoError(t, root.Start(t.Context()))
		a.end(errBoom)
		ab.end(errBoom)
		x.end(errBoom)
		require.Equal(t, []string{"failed /shop/a", "failed /shop/ab", "failed /shop/jobs/x"}, got(all))
		require.Equal(t, []string{"failed /shop/a"}, got(one))
		require.Equal(t, []string{"failed /shop/a"}, got(full))
		for _, events := range []<-chan supervisor.Event{below, leaf, fromBelow, itself} {
			require.Equal(t, []string{"failed /shop/jobs/x"}, got(events))
		}
		require.Empty(t, got(nobody))
		require.Empty(t, got(outside), "it reports its own subtree only")
		require.NoError(t, root.Stop(t.Context()))
	})
}

func TestWatchReportsEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newPuppet()
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}}})
		ends := sup.Watch(t.Context(), "a", supervisor.EventFailed, supervisor.EventCompleted, supervisor.EventStopped)
		require.NoError(t, sup.Start(t.Context()))
		a.end(errBoom)
		a.end(nil)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Equal(t, []string{"failed /root/a", "completed /root/a", "stopped /root/a"}, got(ends))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestWatchEndsWithItsContextAlsoWithoutAReceiver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: noisy(10)}}})
		ctx, cancel := context.WithCancel(t.Context())
		deaf := sup.Watch(ctx, "a")
		empty := sup.Watch(ctx, "b")
		require.NoError(t, sup.Start(t.Context()))
		synctest.Wait()
		cancel()
		cancel()
		require.Equal(t, []string{"closed"}, got(deaf), "what waited is dropped")
		require.Equal(t, []string{"closed"}, got(empty))
		late := sup.Watch(ctx, "")
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, []string{"closed"}, got(late))
		var none context.Context
		require.Equal(t, []string{"closed"}, got(sup.Watch(none, "")))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestWatchHoldsOverAllStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		ready := sup.Watch(t.Context(), "a", supervisor.EventReady)
		for range 3 {
			require.NoError(t, sup.Start(t.Context()))
			require.Equal(t, []string{"ready /root/a"}, got(ready))
			require.NoError(t, sup.Stop(t.Context()))
		}
	})
}

// Events of other children neither push out those that are watched nor count as lost.
func TestAWatcherThatIsTooSlowLearnsHowManyEventsItLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: noisy(2500)}, {Name: "b", Run: noisy(5)}}})
		a := sup.Watch(t.Context(), "a", supervisor.EventError)
		b := sup.Watch(t.Context(), "b", supervisor.EventError)
		require.NoError(t, sup.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, sup.Stop(t.Context()))
		count := func(events <-chan supervisor.Event) (n int, lost uint64) {
			for {
				synctest.Wait()
				select {
				case e := <-events:
					n, lost = n+1, lost+e.Lost
				default:
					return n, lost
				}
			}
		}
		n, lost := count(a)
		require.EqualValues(t, 2500, n+int(lost))
		require.NotZero(t, lost)
		n, lost = count(b)
		require.Equal(t, 5, n)
		require.Zero(t, lost)
	})
}
