package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// threeStates is a supervisor with children in three states.
func threeStates(t *testing.T) *supervisor.Supervisor {
	waiting := newPuppet()
	sup := start(t, supervisor.Spec{Children: []child.Spec{
		{Name: "a", Run: idle},
		{Name: "b", Run: idle},
		{Name: "c", Run: waiting.Run, Backoff: child.Constant(time.Hour)},
		{Name: "d", Run: idle},
		{Name: "e", Run: idle},
	}})
	waiting.end(errBoom)
	require.NoError(t, sup.StopChild(t.Context(), "b"))
	return sup
}

func TestAppendChildrenFindsWhatIsInOneOfSomeStatesUpToALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := threeStates(t)
		for _, c := range []struct {
			limit int
			in    []child.State
			want  []string
		}{
			{0, nil, []string{"a", "b", "c", "d", "e"}},
			{-1, nil, []string{"a", "b", "c", "d", "e"}},
			{2, nil, []string{"a", "b"}},
			{100, nil, []string{"a", "b", "c", "d", "e"}},
			{0, []child.State{child.Running}, []string{"a", "d", "e"}},
			{2, []child.State{child.Running}, []string{"a", "d"}},
			{0, []child.State{child.Waiting, child.Stopped}, []string{"b", "c"}},
			{1, []child.State{child.Waiting, child.Stopped}, []string{"b"}},
			{0, []child.State{child.Done}, nil},
		} {
			got := sup.AppendChildren(nil, c.limit, c.in...)
			require.Equal(t, c.want, append([]string(nil), names(got)...), "%v", c)
			if c.limit <= 0 {
				require.Equal(t, sup.Children(c.in...), append([]child.Status{}, got...))
			}
		}
	})
}

func TestAppendChildrenAppends(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := threeStates(t)
		first := child.Status{Name: "first"}
		got := sup.AppendChildren([]child.Status{first}, 2)
		require.Equal(t, []string{"first", "a", "b"}, names(got))
		require.Equal(t, first, got[0])
		require.Empty(t, newRoot(supervisor.Spec{}).AppendChildren(nil, 0), "not started")
	})
}

// The contents of the buffer's spare capacity are only a hint.
func TestAppendChildrenTakesNoPathThatIsNotTheChilds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := threeStates(t)
		want := sup.Children()
		for _, before := range []string{"", "/", "/root", "/root/", "/root/aa", "/rooot/a", "/root-a", "root/a", "/root/b", "/root/c", "a"} {
			buf := make([]child.Status, 10)
			for i := range buf {
				buf[i].Path = before
			}
			require.Equal(t, want, sup.AppendChildren(buf[:0], 0), before)
		}
		buf := sup.AppendChildren(nil, 0)
		require.NoError(t, sup.RemoveChild(t.Context(), "a"))
		require.Equal(t, sup.Children(), sup.AppendChildren(buf[:0], 0), "all have moved up")
	})
}

// Out of a bubble, where allocations are counted.
func TestAppendChildrenAllocatesNothingWithRoomInTheBuffer(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const many = 100
	sup := newRoot(supervisor.Spec{Strategy: strategy.Independent})
	require.NoError(t, sup.Start(context.Background()))
	defer func() { require.NoError(t, sup.Stop(context.Background())) }()
	for i := range many {
		require.NoError(t, sup.StartChild(context.Background(), child.Spec{Name: fmt.Sprint("job-", i), Run: idle}))
	}
	buf := make([]child.Status, 0, many)
	for name, ask := range map[string]func() []child.Status{
		"all":                  func() []child.Status { return sup.AppendChildren(buf[:0], 0) },
		"in some states":       func() []child.Status { return sup.AppendChildren(buf[:0], 0, child.Starting, child.Running) },
		"in states, with none": func() []child.Status { return sup.AppendChildren(buf[:0], 0, child.Done, child.Waiting) },
		"limited":              func() []child.Status { return sup.AppendChildren(buf[:0], 10, child.Running) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() { ask() }), name)
	}
	require.Len(t, sup.AppendChildren(buf[:0], 0), many)
}
