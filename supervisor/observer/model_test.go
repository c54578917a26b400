package observer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// fake answers what the supervisor would.
type fake struct {
	forecasts map[string]supervisor.Forecast
	asked     int
}

func (f *fake) Forecast(path string) (supervisor.Forecast, bool) {
	f.asked++
	fc, ok := f.forecasts[path]
	return fc, ok
}
func (f *fake) LookupSpec(string) (child.Spec, bool)          { return child.Spec{}, true }
func (f *fake) supervisorSpec(string) (supervisor.Spec, bool) { return supervisor.Spec{}, true }
func leaf(name string, s child.Status) supervisor.Tree {
	s.Name, s.Path = name, "/shop/"+name
	if s.Since.IsZero() {
		s.Since = t0
	}
	return supervisor.Tree{Status: s}
}

func added(t supervisor.Tree) supervisor.Tree {
	t.Added = true
	return t
}

func shop(kids ...supervisor.Tree) *supervisor.Tree {
	return &supervisor.Tree{Status: child.Status{Name: "shop", Path: "/shop", State: child.Running, Since: t0, Supervisor: true}, Children: kids}
}

func waiting(err string) child.Status {
	return child.Status{State: child.Waiting, LastError: errors.New(err), LastErrorAt: t0, NextStart: t0.Add(30 * time.Second), Restarts: 6, Failing: true}
}

func TestTheSoonestGiveUpThatEndsTheRootStandsFirst(t *testing.T) {
	var kids []supervisor.Tree
	for i := range 4000 {
		kids = append(kids, added(leaf(fmt.Sprintf("s-%d", i), waiting("connection refused"))))
	}
	kids = append(kids, leaf("mail", child.Status{State: child.Done, GaveUp: true, LastError: errors.New("smtp: 421")}),
		leaf("exporter", waiting("503 Service Unavailable")), leaf("other", waiting("503 Service Unavailable")), leaf("later", waiting("EOF")))
	ends := t0.Add(3 * time.Minute)
	ask := &fake{forecasts: map[string]supervisor.Forecast{
		"/shop/later":    {Left: 9, GivesUp: ends, Ends: ends.Add(time.Second)},
		"/shop/exporter": {Left: 5, GivesUp: ends, Ends: ends},
		"/shop/s-1":      {Left: 1, GivesUp: t0.Add(time.Minute)}, // gives up soon, but that does not reach the root
	}}
	m := build(shop(kids...), t0.Add(time.Second), 0)
	m.explain(newMemory(10), ask)
	require.Equal(t, &view.Worst{Path: "/shop/exporter", At: ends, Left: 5,
		Text: "If /shop/exporter fails 6 times more, /shop gives up, at 02:44:07 at the earliest, and the process ends."}, m.worst)
	require.Equal(t, []string{"503 Service Unavailable", "smtp: 421", "connection refused", "EOF"}, []string{
		m.causes[0].Text, m.causes[1].Text, m.causes[2].Text, m.causes[3].Text})
	require.Equal(t, "ends the process after 6 more failures, 02:44:07 at the earliest", m.causes[0].Deadline)
	require.Equal(t, "Stop /shop/exporter: nothing else stops with it, and the process lives on.", m.causes[0].Safe)
	require.Contains(t, m.causes[2].Next, "If it fails 2 times more, /shop gives up, at 02:42:07 at the earliest.")
	require.LessOrEqual(t, ask.asked, mostForecasts+4, "declared children are always asked about, others within bounds")
}

func TestOnlyMoreThanATenthOfTheDynamicChildrenMakesTheTreeDegraded(t *testing.T) {
	for bad, want := range map[int]view.State{0: view.Well, 1: view.Well, 10: view.Well, 11: view.Degraded, 100: view.Degraded} {
		kids := []supervisor.Tree{leaf("api", child.Status{State: child.Running})}
		for i := range 100 {
			s := child.Status{State: child.Running}
			if i < bad {
				s = waiting("boom")
			}
			kids = append(kids, added(leaf(fmt.Sprintf("s-%d", i), s)))
		}
		m := build(shop(kids...), t0, 0)
		require.Equal(t, want, m.state, "%d of 100", bad)
		require.Equal(t, want == view.Degraded, m.node(0).Degraded)
		require.Equal(t, bad, m.supers[0].trouble)
		require.False(t, m.items[1].dynamic)
		require.True(t, m.items[2].dynamic)
		m = build(shop(kids...), t0, 0.5)
		require.Equal(t, bad == 100, m.state == view.Degraded, "the share can be set")
	}
	kids := []supervisor.Tree{leaf("api", waiting("boom"))}
	require.Equal(t, view.Degraded, build(shop(kids...), t0, 0).state, "one that is declared is enough")
}

func TestTheVerdictInEachState(t *testing.T) {
	for _, c := range []struct {
		state child.State
		err   error
		kids  []supervisor.Tree
		want  view.State
		say   string
	}{
		{child.Running, nil, nil, view.Well, "It has no children."},
		{child.Running, nil, []supervisor.Tree{leaf("a", child.Status{State: child.Running})}, view.Well, "Its one child is as it should be."},
		{child.Running, nil, []supervisor.Tree{leaf("a", child.Status{State: child.Running}), leaf("b", child.Status{State: child.Stopped})}, view.Well, "No declared child is in trouble, but 1 is stopped, so the tree is not ready."},
		{child.Running, nil, []supervisor.Tree{leaf("a", child.Status{State: child.Running}), leaf("b", child.Status{State: child.Stopped, Declined: true})}, view.Well, "All 2 children are as they should be. 1 is stopped."},
		{child.Running, nil, []supervisor.Tree{leaf("a", waiting("boom")), leaf("b", child.Status{State: child.Running})}, view.Degraded, "1 of 2 children is in trouble."},
		{child.Starting, nil, []supervisor.Tree{leaf("a", child.Status{State: child.Starting})}, view.Starting, "The root is starting: not all declared children have been ready yet."},
		{child.Starting, nil, []supervisor.Tree{leaf("a", waiting("boom"))}, view.Degraded, "Its one child is in trouble."},
		{child.Stopping, nil, []supervisor.Tree{leaf("a", waiting("boom"))}, view.Stopping, "The root is stopping."},
		{child.Stopped, nil, nil, view.Down, "The root does not run."},
		{child.Stopped, errors.New("boom"), nil, view.Down, "The root has ended with an error. Nothing runs any more."},
	} {
		tree := shop(c.kids...)
		tree.State, tree.LastError = c.state, c.err
		m := build(tree, t0, 0)
		require.Equal(t, c.want, m.state, c.say)
		require.Equal(t, c.say, m.verdict())
	}
}

func TestMixedMembersAreListed(t *testing.T) {
	tree := shop(leaf("pool", child.Status{State: child.Running, Unready: errors.New("refused")}), leaf("a", waiting("refused")), leaf("b", waiting("refused")))
	m := build(tree, t0, 0)
	m.explain(newMemory(10), &fake{})
	require.Len(t, m.causes, 1)
	require.Equal(t, "2 are waiting for the next start; 1 is running, but not ready.", m.causes[0].Doing)
	require.Contains(t, m.causes[0].Next, "The next starts are from")
}

func TestMembersOfAGroupThatWaitAreNoCauseOfTheirOwn(t *testing.T) {
	tree := shop(leaf("a", child.Status{State: child.Running}), leaf("b", waiting("boom")), leaf("c", child.Status{State: child.Waiting}))
	tree.Strategy = strategy.RestForOne
	m := build(tree, t0, 0)
	m.explain(newMemory(10), &fake{})
	require.Len(t, m.causes, 1)
	require.Equal(t, "boom", m.causes[0].Text)
	require.Equal(t, ", and with it c", m.with(2))

	old := waiting("an error of last week")
	old.NextStart, old.Failing = time.Time{}, false
	tree.Children[2] = leaf("c", old)
	m = build(tree, t0, 0)
	m.explain(newMemory(10), &fake{})
	require.Len(t, m.causes, 1)
	require.Equal(t, "boom", m.causes[0].Text)
	require.Contains(t, m.say(3, ""), "It has been waiting for its group")

	suspended := shop(leaf("a", child.Status{State: child.Waiting}))
	m = build(suspended, t0, 0)
	m.explain(newMemory(10), &fake{})
	require.Equal(t, waitsText, m.causes[0].Text, "but without such a sibling it is one")
}

func TestAGiveUpIsBlamedOnTheErrorThatLedToIt(t *testing.T) {
	relay := errors.New("smtp: 421 too many connections")
	err := &supervisor.GaveUpError{Path: "/shop/mail", Child: "/shop/mail/relay", Err: relay, Reason: "8 of 8 retries used"}
	tree := shop(leaf("mail", child.Status{State: child.Done, GaveUp: true, LastError: err}), leaf("relay", waiting("smtp: 421 too many connections")))
	m := build(tree, t0, 0)
	m.explain(newMemory(10), &fake{})
	require.Len(t, m.causes, 1)
	require.Equal(t, relay.Error(), m.causes[0].Text)
	require.Equal(t, "gaveup", m.causes[0].Look, "that of the worst member")
}

func TestFindFollowsPathsOnly(t *testing.T) {
	inner := supervisor.Tree{Status: child.Status{Name: "a", Path: "/shop/a", Supervisor: true, State: child.Running}, Children: []supervisor.Tree{
		{Status: child.Status{Name: "b", Path: "/shop/a/b"}}}}
	m := build(shop(leaf("aa", child.Status{}), inner, leaf("b", child.Status{})), t0, 0)
	for path, want := range map[string]int32{"/shop": 0, "/shop/aa": 1, "/shop/a": 2, "/shop/a/b": 3, "/shop/b": 4, "/shop/c": -1, "/sho": -1, "": -1, "/shop/b/c": -1, "/shop/": -1} {
		require.Equal(t, want, m.find(path), path)
	}
}

func TestAnAnswerHasABoundedNumberOfNodes(t *testing.T) {
	var kids []supervisor.Tree
	for i := range 3 * mostRows {
		path := fmt.Sprintf("/shop/s-%d", i)
		kids = append(kids, supervisor.Tree{Status: child.Status{Name: base(path), Path: path, Supervisor: true, State: child.Running}})
	}
	m := build(shop(kids...), t0, 0)
	left := mostRows
	n := m.nested(0, &left)
	require.True(t, n.Paged)
	require.Len(t, n.Children, mostRows-1)
	require.Equal(t, 3*mostRows, n.All)
}

// The start of a supervisor takes long because of one of its children, not for lack of a Ready.
func TestTheAdviceOnASlowStartFitsASupervisor(t *testing.T) {
	tree := shop(leaf("db", waiting("refused")))
	tree.State = child.Starting
	advice := func(path string, tree *supervisor.Tree) string {
		m := build(tree, t0.Add(time.Minute), 0)
		i := m.find(path)
		_, _, safe := m.sentences(&group{members: []int32{i}, worst: i}, i, 1, &fake{}, supervisor.Forecast{})
		return safe
	}
	require.Equal(t, "Look at the first of its children that is not ready: the start waits for it.", advice("/shop", tree))
	require.Contains(t, advice("/shop/a", shop(leaf("a", child.Status{State: child.Starting}))), "lacks a call of Ready")
}

// A start that waits for its database leaves the children after it without a run. Nobody has
// stopped them, and no operator needs to start them.
func TestAChildThatHasNotRunYetIsNotCalledStopped(t *testing.T) {
	tree := shop(leaf("db", waiting("refused")), leaf("api", child.Status{State: child.Stopped}))
	tree.State = child.Starting
	m := build(tree, t0, 0)
	api := m.find("/shop/api")
	require.Equal(t, "It has not run yet: its turn comes when those declared before it are ready.", m.say(api, ""))
	require.Equal(t, "It starts when those declared before it are ready.", m.follows(api, "", &fake{})[0].Text)
	require.Equal(t, "pending", m.node(api).Look)
	require.Equal(t, map[string]int{"waiting": 1, "pending": 1}, m.supers[0].counts)
	require.Equal(t, "It was stopped by ann at "+t0.Format("15:04:05")+".", m.say(api, "ann"))
	require.Equal(t, "Nothing, until an operator or its group starts it.", m.follows(api, "ann", &fake{})[0].Text)
	tree.Strategy = strategy.Graph
	require.Equal(t, "Nothing, until an operator, or the start of one that needs it, starts it.", m.follows(api, "ann", &fake{})[0].Text)
	tree.Strategy = strategy.OneForOne

	tree.Children[1].Run = 7
	m = build(tree, t0, 0)
	require.Contains(t, m.say(api, ""), "It has been stopped since", "it has run before")
	tree.Children[1].Run, tree.Suspended = 0, true
	m = build(tree, t0, 0)
	require.Contains(t, m.say(api, ""), "It has been stopped since", "nothing starts before Resume")
	tree.Suspended, tree.State = false, child.Running
	m = build(tree, t0, 0)
	require.Contains(t, m.say(api, ""), "It has been stopped since", "its turn is over")
	require.Equal(t, "stopped", m.node(api).Look)
}

// A supervisor takes long to start because a child of it does. The child is the cause.
func TestASupervisorWhoseChildStartsSlowlyIsNoCauseOfItsOwn(t *testing.T) {
	slow := leaf("db", child.Status{State: child.Starting})
	causes := func(root child.State, kids ...supervisor.Tree) (state view.State, paths []string) {
		tree := shop(kids...)
		tree.State = root
		m := build(tree, t0.Add(time.Minute), 0)
		m.explain(newMemory(10), &fake{})
		for _, c := range m.causes {
			require.Equal(t, 1, c.N)
			paths = append(paths, c.Path)
		}
		return m.state, paths
	}
	state, paths := causes(child.Starting, slow, leaf("api", child.Status{State: child.Stopped}))
	require.Equal(t, view.Degraded, state)
	require.Equal(t, []string{"/shop/db"}, paths)

	// Twenty children take three seconds each.
	quick := leaf("db", child.Status{State: child.Starting, Since: t0.Add(59 * time.Second)})
	state, paths = causes(child.Starting, leaf("a", child.Status{State: child.Running}), quick)
	require.Equal(t, view.Starting, state)
	require.Empty(t, paths)

	// Nothing below it says why.
	suspended := leaf("a", child.Status{State: child.Running})
	state, paths = causes(child.Starting, suspended)
	require.Equal(t, view.Degraded, state)
	require.Equal(t, []string{"/shop"}, paths)
}

func TestAPathStandsOnceInARow(t *testing.T) {
	err := &supervisor.GaveUpError{Path: "/shop/mail", Child: "/shop/mail/relay", Err: errors.New("421"), Reason: "escalated"}
	const want = "gave up: escalated: /shop/mail/relay: 421"
	m := build(shop(leaf("mail", child.Status{State: child.Waiting, LastError: err, LastErrorAt: t0, Failing: true}), leaf("pool", child.Status{State: child.Running, Unready: &supervisor.ChildError{Path: "/shop/pool", Err: errors.New("refused")}})), t0, 0)
	require.Equal(t, want, m.node(1).LastError)
	require.Equal(t, "refused", m.node(2).Unready)
	mem := newMemory(10)
	feed(mem, 0, supervisor.EventFailed, "/shop/mail", err)
	require.Equal(t, want, mem.ring.at(0).view().Err)
	m.explain(mem, &fake{})
	require.Equal(t, "421", m.causes[0].Text, "the cause is that of its child")
	require.Equal(t, uint64(1), m.causes[0].Seen, "the memory and the tree agree on what is the same cause")
}

// A child fails until its supervisor gives up, and that makes the supervisor above give up:
// this has one cause, in the tree and in the memory.
func TestAGiveUpHasTheCauseOfTheFailuresThatLedToIt(t *testing.T) {
	refused := errors.New("421 too many connections")
	mail := &supervisor.GaveUpError{Path: "/shop/mail", Child: "/shop/mail/relay", Err: refused, Reason: "escalated"}
	office := &supervisor.GaveUpError{Path: "/shop", Child: "/shop/mail", Err: mail, Reason: "escalated"}
	mem := newMemory(10)
	feed(mem, 0, supervisor.EventFailed, "/shop/mail/relay", refused)
	feed(mem, 1, supervisor.EventFailed, "/shop/mail", mail)
	feed(mem, 2, supervisor.EventFailed, "/shop", office)
	require.Len(t, mem.causes.byKey, 1)
	for look, st := range map[wellness.Look]child.Status{
		wellness.Waiting: {State: child.Waiting, Failing: true, LastError: mail, LastErrorAt: t0},
		wellness.GaveUp:  {State: child.Done, GaveUp: true, LastError: mail, LastErrorAt: t0},
	} {
		m := build(shop(leaf("mail", st)), t0, 0)
		require.Equal(t, look, m.items[1].look)
		m.explain(mem, &fake{})
		require.Len(t, m.causes, 1)
		require.Equal(t, "421 too many connections", m.causes[0].Text)
		require.Equal(t, uint64(3), m.causes[0].Seen)
	}
}

// The method of an error may lead nowhere.
type circle struct{ *supervisor.GaveUpError }

func (c circle) As(to any) bool {
	*to.(**supervisor.GaveUpError) = &supervisor.GaveUpError{Err: c}
	return true
}

func TestTheCauseOfAnErrorThatGoesRoundInACircle(t *testing.T) {
	_, other := causeOf(circle{&supervisor.GaveUpError{}})
	require.True(t, other)
}

// In the past it may not be known since when a child is in its state.
func TestFoldsLeaveOutTimesThatAreNotKnown(t *testing.T) {
	unknown := func(name string, state child.State) supervisor.Tree {
		one := leaf(name, child.Status{State: state})
		one.Since = time.Time{}
		return one
	}
	tree := shop(
		unknown("a", child.Running),
		leaf("b", child.Status{State: child.Running, Since: t0}),
		unknown("c", child.Running),
		leaf("d", child.Status{State: child.Running, Since: t0.Add(-time.Minute)}),
		unknown("e", child.Stopped),
	)
	folds := build(tree, t0, 0).folds([]int32{1, 2, 3, 4, 5})
	require.Len(t, folds, 2)
	require.Equal(t, view.TimeSpan{From: t0.Add(-time.Minute), To: t0}, folds[0].Since)
	require.Zero(t, folds[0].Next)
	require.Zero(t, folds[1].Since)
}
