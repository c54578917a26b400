package registry_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/registry"
)

func members(g *registry.Groups[string, int], key string) []int {
	return slices.Collect(g.Members(key))
}

func TestMembersAreThereUntilTheirRunsEnd(t *testing.T) {
	var g registry.Groups[string, int]
	a, endA := newRun()
	b, endB := newRun()
	defer endB()
	for i := range 5 {
		require.NoError(t, g.Join(a, "x", i))
		require.NoError(t, g.Join(b, "x", 10+i))
	}
	require.NoError(t, g.Join(b, "y", 99))
	require.Equal(t, []int{0, 10, 1, 11, 2, 12, 3, 13, 4, 14}, members(&g, "x"), "in the order in which they joined")
	require.Equal(t, 11, g.Len())
	endA()
	require.Equal(t, []int{10, 11, 12, 13, 14}, members(&g, "x"))
	require.Equal(t, 6, g.Len())
	g.Leave(b, "x")
	require.Empty(t, members(&g, "x"))
	require.Equal(t, []int{99}, members(&g, "y"))
	require.NoError(t, g.Join(b, "x", 7))
	require.Equal(t, []int{7}, members(&g, "x"))
}

func TestLeaveTakesOnlyTheOwnValues(t *testing.T) {
	var g registry.Groups[string, int]
	a, endA := newRun()
	b, endB := newRun()
	defer endA()
	defer endB()
	require.NoError(t, g.Join(a, "x", 1))
	require.NoError(t, g.Join(b, "x", 2))
	g.Leave(nil, "x")
	g.Leave(a, "y")
	g.Leave(a, "x")
	require.Equal(t, []int{2}, members(&g, "x"))
}

func TestALoopOverMembersSeesWhoIsThere(t *testing.T) {
	var g registry.Groups[string, int]
	a, endA := newRun()
	b, endB := newRun()
	defer endB()
	require.NoError(t, g.Join(b, "x", 1))
	require.NoError(t, g.Join(a, "x", 2))
	require.NoError(t, g.Join(b, "x", 3))
	var seen []int
	for v := range g.Members("x") {
		if v == 1 {
			endA()
			require.NoError(t, g.Join(b, "x", 4))
		}
		seen = append(seen, v)
	}
	require.Equal(t, []int{1, 3}, seen)
	require.Equal(t, []int{1, 3, 4}, members(&g, "x"))
}

func TestALoopOverMembersDoesNotSeeWhoHasLeft(t *testing.T) {
	var g registry.Groups[string, int]
	a, endA := newRun()
	defer endA()
	b, endB := newRun()
	defer endB()
	for i := range 3 {
		require.NoError(t, g.Join(a, "x", i))
		require.NoError(t, g.Join(b, "x", 10+i))
	}
	var seen []int
	for v := range g.Members("x") {
		g.Leave(b, "x")
		seen = append(seen, v)
	}
	require.Equal(t, []int{0, 1, 2}, seen)
}

func TestManyJoinAndLeaveAtOnce(t *testing.T) {
	var g registry.Groups[string, int]
	var all sync.WaitGroup
	stays, end := newRun()
	defer end()
	for n := range 8 {
		all.Go(func() {
			for i := range 300 {
				if err := g.Join(stays, "x", n); err != nil {
					t.Error(err)
				}
				func() {
					ctx, end := newRun()
					defer end()
					_ = g.Join(ctx, "x", -1)
					if i%3 == 0 {
						g.Leave(ctx, "x")
					}
				}()
				for range g.Members("x") {
					break
				}
			}
		})
	}
	all.Wait()
	counts := map[int]int{}
	for v := range g.Members("x") {
		counts[v]++
	}
	require.Len(t, counts, 8)
	for n := range 8 {
		require.Equal(t, 300, counts[n], "none is lost")
	}
}
