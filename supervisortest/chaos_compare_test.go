package supervisortest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// compared runs a tree with the child a, lets plant change what its grip sees of
// it, and returns what a check finds, and after how long. Time is virtual.
func compared(t *testing.T, live bool, plant func(g *grip)) (broken []string, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: new(Child).Run}}})
		defer tr.end(t)
		tr.start(t)
		c := newChaos(tr, ChaosSpec{})
		defer c.watch.cancel()
		c.live = live
		real := tr.grip.runs["/root/a"]
		plant(tr.grip)
		began := time.Now()
		c.check()
		took = time.Since(began)
		tr.grip.mu.Lock()
		defer tr.grip.mu.Unlock()
		tr.grip.runs = map[string][]*held{"/root/a": real}
		broken = c.watch.broken
	})
	return broken, took
}

func TestChaosComparesWhatTheTreeSaysWithWhatRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		plant  func(runs map[string][]*held)
		broken []string
	}{
		"as it is":      {func(map[string][]*held) {}, nil},
		"two runs":      {func(runs map[string][]*held) { runs["/root/a"] = append(runs["/root/a"], new(held)) }, []string{"/root/a is running and has 0 abandoned runs, of which it tells 0, and 2 run"}},
		"no run":        {func(runs map[string][]*held) { delete(runs, "/root/a") }, []string{"/root/a is running and has 0 abandoned runs, of which it tells 0, and 0 run"}},
		"of nobody":     {func(runs map[string][]*held) { runs["/root/b"] = []*held{{}} }, []string{"/root/b is not in the tree and has 0 abandoned runs, and 1 run"}},
		"two of nobody": {func(runs map[string][]*held) { runs["/root/b"], runs["/root/c"] = []*held{{}}, []*held{{}} }, []string{"/root/b is not in the tree and has 0 abandoned runs, and 1 run", "/root/c is not in the tree and has 0 abandoned runs, and 1 run"}},
	} {
		for _, live := range []bool{false, true} {
			broken, took := compared(t, live, func(g *grip) { tc.plant(g.runs) })
			require.Equal(t, tc.broken, broken, name)
			if live && tc.broken != nil {
				require.NotZero(t, took, "%s: it might have come right", name)
			} else {
				require.Zero(t, took, name)
			}
		}
	}
}

// Live, the two may differ for a while. What differs only later is for the next check.
func TestChaosIsPatientWithWhatMoves(t *testing.T) {
	broken, took := compared(t, true, func(g *grip) {
		g.runs["/root/b"] = []*held{{}}
		time.AfterFunc(time.Second, func() {
			g.mu.Lock()
			g.runs["/root/c"] = []*held{{}}
			g.mu.Unlock()
			g.leave("/root/b", g.runs["/root/b"][0])
		})
	})
	require.Empty(t, broken)
	require.Equal(t, time.Second, took)
}

func TestChaosComparesCountWithChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: new(Child).Run}, {Name: "b", Run: new(Child).Run}}})
		defer tr.end(t)
		tr.start(t)
		c := newChaos(tr, ChaosSpec{})
		defer c.watch.cancel()
		tree, apart := tr.sup.Tree(), map[string]string{}
		c.count(tree, apart)
		require.Empty(t, apart)
		tree.Children[1].State = child.Waiting
		tree.Children[1].Supervisor = true
		c.count(tree, apart)
		require.Equal(t, map[string]string{"count of /root": "/root counts {Specs:2 Active:2 Supervisors:0 Workers:2}, and has {Specs:2 Active:1 Supervisors:1 Workers:1}"}, apart)
	})
}

// A look at the tree now and then would miss a second run that is short.
func TestChaosFindsASecondRunHoweverShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: new(Child).Run}}})
		defer tr.end(t)
		tr.start(t)
		c := newChaos(tr, ChaosSpec{})
		again := tr.grip.runs["/root/a"][0].outer.(child.Context)
		h, _ := tr.grip.enter(again, nil)
		tr.grip.leave("/root/a", h)
		c.finish()
		require.Equal(t, []string{"/root/a was started while an earlier run went on that nobody had asked to stop"}, c.result().Broken)
	})
}
