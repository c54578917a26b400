package chaos

import (
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

var idle = testkit.Idle

// playing calls f with a campaign in virtual time, on a tree with two children.
func playing(t *testing.T, f func(t *testing.T, c *campaign)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tr := testkit.New(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}}})
		defer tr.LetGo()
		require.NoError(t, tr.Sup.Start(tr.Ctx))
		defer func() { require.NoError(t, tr.Sup.Stop(tr.Ctx)) }()
		c := newCampaign(tr, Spec{})
		defer c.watch.cancel()
		f(t, c)
	})
}

// A view is what a check sees as the live runs.
type view struct {
	mu   sync.Mutex
	runs map[string]int
}

func (v *view) get() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.runs)
}

func (v *view) set(runs map[string]int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.runs = runs
}

func TestPlayComparesTheTreeWithTheLiveRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		runs   map[string]int
		broken []string
	}{
		"in agreement":         {map[string]int{"/root/a": 1, "/root/b": 1}, nil},
		"two runs":             {map[string]int{"/root/a": 2, "/root/b": 1}, []string{"/root/a is running with 2 live runs; its events say 0 are abandoned, its status 0"}},
		"no run":               {map[string]int{"/root/b": 1}, []string{"/root/a is running with 0 live runs; its events say 0 are abandoned, its status 0"}},
		"unknown child":        {map[string]int{"/root/a": 1, "/root/b": 1, "/root/x": 1}, []string{"/root/x is not in the tree but has 1 live runs; its events say 0 are abandoned"}},
		"two unknown children": {map[string]int{"/root/a": 1, "/root/b": 1, "/root/x": 1, "/root/y": 1}, []string{"/root/x is not in the tree but has 1 live runs; its events say 0 are abandoned", "/root/y is not in the tree but has 1 live runs; its events say 0 are abandoned"}},
	} {
		for _, live := range []bool{false, true} {
			playing(t, func(t *testing.T, c *campaign) {
				c.live, c.runs = live, (&view{runs: tc.runs}).get
				began := time.Now()
				c.check()
				require.Equal(t, tc.broken, c.watch.broken, name)
				if live && tc.broken != nil {
					require.NotZero(t, time.Since(began), "%s: it waits for agreement", name)
				} else {
					require.Zero(t, time.Since(began), name)
				}
			})
		}
	}
}

// Live, the two may differ for a while. A difference that comes later is left to the next
// check.
func TestALiveCheckWaitsForAgreement(t *testing.T) {
	playing(t, func(t *testing.T, c *campaign) {
		seen := &view{runs: map[string]int{"/root/a": 1, "/root/b": 1, "/root/x": 1}}
		c.live, c.runs = true, seen.get
		time.AfterFunc(time.Second, func() {
			seen.set(map[string]int{"/root/a": 1, "/root/b": 1, "/root/y": 1})
			c.tr.Injector.Stir()
		})
		began := time.Now()
		c.check()
		require.Empty(t, c.watch.broken)
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestPlayComparesCountWithChildren(t *testing.T) {
	playing(t, func(t *testing.T, c *campaign) {
		tree, apart := c.tr.Sup.Tree(), map[string]string{}
		c.count(tree, apart)
		require.Empty(t, apart)
		tree.Children[1].State = child.Waiting
		tree.Children[1].Supervisor = true
		c.count(tree, apart)
		require.Equal(t, map[string]string{"count of /root": "Count of /root is {Specs:2 Active:2 Supervisors:0 Workers:2}, but its children are {Specs:2 Active:1 Supervisors:1 Workers:1}"}, apart)
	})
}

// Checks now and then would miss a short second run.
func TestPlayFindsEvenAShortSecondRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var once child.Context
		tr := testkit.New(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			once = ctx
			return idle(ctx)
		}}}})
		defer tr.LetGo()
		require.NoError(t, tr.Sup.Start(tr.Ctx))
		c := newCampaign(tr, Spec{})
		require.NoError(t, tr.Injector.Around(once, func(child.Context) error { return nil }))
		c.finish()
		require.Equal(t, []string{"/root/a was started while an earlier run, not asked to stop, was running"}, c.result().Broken)
	})
}
