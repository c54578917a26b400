package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// crowded starts a supervisor with many children, every tenth of them unready.
func crowded(t testing.TB, many int) *Supervisor {
	specs := make([]child.Spec, many)
	var said sync.WaitGroup
	said.Add(many)
	for i := range specs {
		specs[i] = child.Spec{Name: fmt.Sprint("child-", i), Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			if i%10 == 0 {
				ctx.Unready(nil)
			}
			said.Done()
			<-ctx.Done()
			return nil
		}}
	}
	sup := New(Spec{Strategy: strategy.Independent, Logger: slog.New(slog.DiscardHandler), Children: specs})
	require.NoError(t, sup.Start(context.Background()))
	t.Cleanup(func() { require.NoError(t, sup.Stop(context.Background())) })
	said.Wait()
	return sup
}

func TestASnapshotAllocatesNothingUnderTheLock(t *testing.T) {
	const many = 100
	l := crowded(t, many).latest()
	statuses, trees, found := make([]child.Status, many), make([]Tree, many), make([]finding, many)
	for name, f := range map[string]func(){
		"Children": func() { l.fill(statuses, math.MaxInt, []child.State{child.Running}) },
		"Tree":     func() { l.fillTree(trees, new([]inner)) },
		"Health":   func() { l.find(found) },
		"count":    func() { l.count(math.MaxInt, []child.State{child.Running}) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}

func TestASnapshotThatDoesNotFitBeginsAgain(t *testing.T) {
	const many = 100
	sup := crowded(t, many)
	l := sup.latest()
	n, _ := l.fill(make([]child.Status, 7), math.MaxInt, nil)
	require.Equal(t, many, n)
	n, _ = l.fill(make([]child.Status, 7), 10, nil)
	require.Equal(t, 10, n)
	n, _, _ = l.fillTree(make([]Tree, 7), new([]inner))
	require.Equal(t, many, n)
	require.Equal(t, many/10, l.find(make([]finding, 7)))
	require.Len(t, sup.Health().(interface{ Unwrap() []error }).Unwrap(), many/10)
}

// Children come and go, and each snapshot has all that were there throughout, once.
func TestSnapshotsBesideChildrenThatAreAdded(t *testing.T) {
	const many, more = 50, 300
	sup := crowded(t, many)
	added := make(chan struct{})
	go func() {
		defer close(added)
		for i := range more {
			_ = sup.StartChild(context.Background(), child.Spec{Name: fmt.Sprint("more-", i), Run: child.Plain(func(ctx context.Context) error {
				<-ctx.Done()
				return nil
			})})
		}
	}()
	var buf []child.Status
	for last := false; !last; {
		last = isClosed(added)
		var nodes []string
		for st := range sup.Tree().All() {
			nodes = append(nodes, st.Path)
		}
		buf = sup.AppendChildren(buf[:0], 0)
		for _, got := range [][]string{nodes[1:], pathsOf(sup.Children()), pathsOf(buf)} {
			for i, path := range got {
				name := fmt.Sprint("child-", i)
				if i >= many {
					name = fmt.Sprint("more-", i-many)
				}
				require.Equal(t, "/root/"+name, path)
			}
			require.True(t, len(got) >= many && (!last || len(got) == many+more))
		}
	}
}

func pathsOf(all []child.Status) (paths []string) {
	for _, st := range all {
		paths = append(paths, st.Path)
	}
	return paths
}

func TestAppendChildrenSizesItsBuffer(t *testing.T) {
	const many = 1000
	sup := crowded(t, many)
	for _, limit := range []int{0, math.MinInt, math.MaxInt} {
		got := sup.AppendChildren(nil, limit)
		require.Len(t, got, many)
		require.Less(t, cap(got), many+many/8, "%d", limit)
		require.Len(t, sup.AppendChildren(got[:10], limit), 10+many, "%d", limit)
	}
	require.Less(t, cap(sup.AppendChildren(nil, 10)), 20)
	require.Less(t, cap(sup.AppendChildren(nil, 0, child.Waiting)), 10)
}

func TestEachPageOfRoomIsTouched(t *testing.T) {
	const perPage, page = 11, 4096
	require.LessOrEqual(t, perPage*max(unsafe.Sizeof(Tree{}), unsafe.Sizeof(child.Status{}), unsafe.Sizeof(finding{})), uintptr(page))
}

// A step of the wall clock leaves the monotonic one as it is.
func TestTimesOfASnapshotFollowTheWallClock(t *testing.T) {
	sup := crowded(t, 1)
	l := sup.latest()
	l.mu.Lock()
	c := l.m.First()
	c.SetLastError(child.ErrHung, c.Since)
	c.Failures().NextStart = l.now() + time.Hour
	l.began = stepped(l.began, -24*time.Hour) // as if the clock had been a day behind, and set since
	l.mu.Unlock()
	look, _ := sup.Lookup("child-0")
	for _, st := range []child.Status{look, sup.Children()[0], sup.AppendChildren(nil, 0)[0], sup.Tree().Children[0].Status} {
		for _, at := range []time.Time{st.Since, st.LastErrorAt, st.NextStart.Add(-time.Hour), sup.Tree().Since} {
			require.WithinDuration(t, time.Now().Round(0), at.Round(0), time.Hour) // Round: by the wall clock
		}
	}
}

// stepped is t with another wall clock time and the same monotonic one.
func stepped(t time.Time, by time.Duration) time.Time {
	const secondsAt = 30 // in the first word of a Time with a monotonic reading
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(by/time.Second)) << secondsAt
	return t
}

func TestTimesOfASnapshotSaturate(t *testing.T) {
	l := &life{began: time.Now().Add(-time.Minute)}
	k := l.look()
	require.True(t, k.time(math.MaxInt64).After(k.now.AddDate(290, 0, 0)))
	require.True(t, k.ofRaw(raw(math.MaxInt64)).After(k.now.AddDate(290, 0, 0)))
	require.True(t, k.time(0).Equal(l.began))
	require.True(t, k.ofRaw(raw(0)).Equal(l.began))
	for in, want := range map[time.Duration]string{
		math.MaxInt64:               "next start: never",
		99 * 365 * 24 * time.Hour:   "next start in 867240h0m0s",
		1500*time.Millisecond + 300: "next start in 1.5s",
		-time.Second:                "next start in 0s",
	} {
		require.Equal(t, want, nextStart(in))
	}
}

// For how long a snapshot of very many holds the lock: half of them shorter, and 99 of
// a hundred.
func BenchmarkSnapshotHoldsTheLock(b *testing.B) {
	const many = 100_000
	l := crowded(b, many).latest()
	var buf []child.Status
	for _, c := range []struct {
		name string
		make func() (underLock func())
	}{
		{"Tree", func() func() {
			room := roomFor[Tree](many, 0)
			return func() { l.fillTree(room, new([]inner)) }
		}},
		{"Children", func() func() {
			room := roomFor[child.Status](many, 0)
			return func() { l.fill(room, math.MaxInt, nil) }
		}},
		{"AppendChildren", func() func() {
			buf = l.sup.AppendChildren(buf[:0], 0)
			return func() { l.fill(buf, math.MaxInt, nil) }
		}},
		{"Health", func() func() { return func() { l.find(nil) } }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var held []time.Duration
			for b.Loop() {
				underLock := c.make()
				began := time.Now()
				underLock()
				held = append(held, time.Since(began))
			}
			slices.Sort(held)
			b.ReportMetric(float64(held[len(held)/2].Nanoseconds())/many, "ns-held/child")
			b.ReportMetric(held[len(held)*99/100].Seconds()*1000, "ms-held-p99")
		})
	}
}
