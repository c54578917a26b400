package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// versions returns specs of idle children, from "name version" each.
func versions(all ...string) (specs []child.Spec) {
	for _, one := range all {
		name, version, _ := strings.Cut(one, " ")
		specs = append(specs, child.Spec{Name: name, Version: version, Run: idle})
	}
	return specs
}

// desires returns the spec of the supervisor with other children.
func desires(sup *supervisor.Supervisor, children ...child.Spec) supervisor.Spec {
	want := sup.Spec()
	want.Children = children
	return want
}

// declares returns the declaration of the supervisor as "name version" each.
func declares(sup *supervisor.Supervisor) (all []string) {
	for _, c := range sup.Spec().Children {
		all = append(all, c.Name+" "+c.Version)
	}
	return all
}

func TestApplyRemovesReplacesAndAdds(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: versions("a 1", "b 1", "c 1", "d 1", "e 1")})
		b, _ := sup.Lookup("b")
		r := record(t, sup)
		want := desires(sup, versions("n 1", "b 1", "a 2", "e 1")...)

		plan, err := sup.Plan(want)
		require.NoError(t, err)
		require.Empty(t, r.take(), "Plan changes nothing")
		changes, err := sup.Apply(t.Context(), want)
		require.NoError(t, err)
		require.Equal(t, plan, changes)
		require.Equal(t, "+ n   ~ a   - d, c   reordered   = 2 unchanged", changes.String())
		if s < strategy.Independent { // one after the other
			require.Equal(t, []string{
				"applying", "stopping d", "stopped d", "removed d", "stopping c", "stopped c", "removed c",
				"starting n", "ready n", "stopping a", "stopped a", "starting a", "ready a", "applied",
			}, r.lines())
		}
		require.Equal(t, []string{"n", "b", "a", "e"}, names(sup.Children()), "in the desired order")
		require.Equal(t, []string{"n 1", "b 1", "a 2", "e 1"}, declares(sup))
		after, _ := sup.Lookup("b")
		require.Equal(t, b, after, "what did not change was not touched")
		require.NoError(t, sup.Health())
		for _, c := range sup.Children() {
			require.False(t, c.Added, "all are declared")
		}
	})
}

func TestApplyOfWhatIsThereDoesNothing(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		specs := append(versions("a 1", "b 1", "c 1"), child.Spec{
			Name: "job", Version: "1", Restart: child.Temporary, Run: child.Task(func(context.Context) error { return nil }),
		})
		sup := start(t, supervisor.Spec{Strategy: s, Children: specs})
		require.NoError(t, sup.StopChild(t.Context(), "b")) // by hand
		require.NoError(t, sup.RemoveChild(t.Context(), "c"))
		synctest.Wait()
		_, there := sup.Lookup("job")
		require.False(t, there, "it has ended")
		r := record(t, sup, everyKind()...)
		changes, err := sup.Apply(t.Context(), desires(sup, specs...))
		require.NoError(t, err)
		require.True(t, changes.Empty())
		require.Equal(t, "= 4 unchanged", changes.String())
		require.Empty(t, r.take(), "not even an event")
	})
}

func TestApplyTakesOverSettingsWithoutARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: versions("a 1", "b 1")})
		r := record(t, sup)
		want := desires(sup, versions("a 1", "b 1")...)
		want.Strategy, want.Intensity = strategy.OneForAll, strategy.AtMost(7, time.Second)
		want.Children[1].StopTimeout = time.Minute
		want.Children[1].Restart = child.Transient
		changes, err := sup.Apply(t.Context(), want)
		require.NoError(t, err)
		require.Equal(t, "* b   settings: Strategy, Intensity   = 1 unchanged", changes.String())
		require.Equal(t, []string{"applying", "applied"}, r.lines())
		b, _ := sup.LookupSpec("b")
		require.Equal(t, time.Minute, b.StopTimeout)
		require.Equal(t, child.Transient, b.Restart)
		require.Equal(t, strategy.OneForAll, sup.Tree().Strategy)
		require.Equal(t, strategy.AtMost(7, time.Second), sup.Tree().Intensity)
		text, err := json.Marshal(changes)
		require.NoError(t, err)
		require.JSONEq(t, `{"updated":["b"],"settings":["Strategy","Intensity"],"unchanged":1}`, string(text))
	})
}

func TestApplyStartsAChildThatIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		job := child.Spec{Name: "job", Version: "1", Restart: child.Transient, Run: child.Task(func(context.Context) error { return nil })}
		sup := start(t, supervisor.Spec{Children: append(versions("a 1"), job)})
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		synctest.Wait()
		require.Equal(t, child.Done, state(t, sup, "job"))

		job.Version, job.Run = "2", failing
		_, err := sup.Apply(t.Context(), desires(sup, append(versions("a 1"), job)...))
		require.EqualError(t, err, "/root/job: not ready with its new spec: boom; it is down, as before")
		require.Equal(t, child.Done, state(t, sup, "job"), "it is down as before")
		spec, _ := sup.LookupSpec("job")
		require.Equal(t, "1", spec.Version)

		job.Run = idle
		_, err = sup.Apply(t.Context(), desires(sup, append(versions("a 2"), job)...))
		require.NoError(t, err)
		require.Equal(t, child.Running, state(t, sup, "a"))
		require.Equal(t, child.Running, state(t, sup, "job"))
	})
}

func TestApplyAdoptsAChildThatStartChildHasAdded(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: versions("a 1")})
		require.NoError(t, sup.StartChild(t.Context(), versions("same 1", "other 1", "mine")...))
		before, _ := sup.Lookup("same")
		changes, err := sup.Apply(t.Context(), desires(sup, versions("a 1", "same 1", "other 2")...))
		require.NoError(t, err)
		require.Equal(t, "~ other   * same   = 1 unchanged", changes.String())
		require.Equal(t, []string{"a", "same", "other", "mine"}, names(sup.Children()), "what StartChild has added stays")
		after, _ := sup.Lookup("same")
		require.Equal(t, before.Run, after.Run)
		require.False(t, after.Added)
		mine, _ := sup.Lookup("mine")
		require.True(t, mine.Added)
	})
}

func TestApplyRefusesAnInvalidDesiredSpec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{MaxChildren: 3, Children: versions("a 1", "b 1")})
		require.NoError(t, sup.StartChild(t.Context(), versions("mine")...))
		r := record(t, sup, everyKind()...)
		for problem, want := range map[string]supervisor.Spec{
			"/root/b: Version: empty: Apply compares it with that of the child":                                              desires(sup, versions("a 1", "b")...),
			"/root/a: Name: already in use by another child":                                                                 desires(sup, versions("a 1", "a 2")...),
			"/root: the desired spec has no children; to remove all of them, Upgrade to that spec and then call RemoveChild": desires(sup),
			"/root: a running supervisor cannot change its strategy from or to independent or graph":                         {Strategy: strategy.Independent, Children: versions("a 1")},
			"/root: a running root cannot change its name":                                                                   {Name: "other", Children: versions("a 1")},
			"/root: too many children: 4 with those that StartChild has added, but MaxChildren is 3":                         desires(sup, versions("a 1", "b 1", "c 1")...),
		} {
			for call, do := range map[string]func() (supervisor.Changes, error){
				"Apply": func() (supervisor.Changes, error) { return sup.Apply(t.Context(), want) },
				"Plan":  func() (supervisor.Changes, error) { return sup.Plan(want) },
			} {
				changes, err := do()
				require.EqualError(t, err, problem, call)
				require.Zero(t, changes)
			}
		}
		require.Empty(t, r.take())
		var none context.Context // a nil literal would be reported by linters
		_, err := sup.Apply(none, desires(sup, versions("a 1")...))
		require.EqualError(t, err, "coppice: nil context")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = sup.Apply(ended, desires(sup, versions("a 2")...))
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, r.take())

		// As the error says:
		require.NoError(t, sup.Upgrade(desires(sup)))
		require.NoError(t, sup.RemoveChild(t.Context(), "a", "b"))
		_, err = sup.Apply(t.Context(), desires(sup))
		require.NoError(t, err)
		require.Equal(t, []string{"mine"}, names(sup.Children()))
	})
}

func TestEventsOfAnApplySayWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, r := recorded(t, supervisor.Spec{Children: versions("a 1", "b 1")})
		r.take()
		_, err := sup.Apply(byAlice(t), desires(sup, versions("a 2", "c 1")...))
		require.NoError(t, err)
		require.Equal(t, []string{
			"applying : none by alice",
			"stopping /b: apply by alice, because applying ", "stopped /b: apply by alice, because applying ", "removed /b: apply by alice, because applying ",
			"stopping /a: apply by alice, because applying ", "stopped /a: apply by alice, because applying ",
			"starting /a: apply by alice, because applying ", "ready /a: apply by alice, because applying ",
			"starting /c: apply by alice, because applying ", "ready /c: apply by alice, because applying ",
			"applied : none by alice, because applying ",
		}, r.reasons())
		events := r.Events()
		applied := events[len(events)-1]
		require.Equal(t, "applied /root: + c   ~ a   - b   = 0 unchanged by alice", applied.String())
	})
}

func TestTheLogTellsOfAnApply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelInfo)
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: versions("a 1")})
		said := len(log.lines())
		_, err := sup.Apply(byAlice(t), desires(sup, versions("a 2")...))
		require.NoError(t, err)
		want := desires(sup, versions("a 3")...)
		want.Children[0].Run = failing
		_, err = sup.Apply(t.Context(), want)
		require.Error(t, err)
		require.Equal(t, []string{
			`level=INFO msg="coppice: applying" path=/root text="~ a   = 0 unchanged" by=alice`,
			`level=INFO msg="coppice: applied" path=/root text="~ a   = 0 unchanged" by=alice`,
			`level=INFO msg="coppice: applying" path=/root text="~ a   = 0 unchanged"`,
			`level=ERROR msg="coppice: failed" path=/root/a err=boom next="restart 1 at once"`,
			`level=INFO msg="coppice: ready" path=/root/a restarts=1`,
			`level=WARN msg="coppice: applied" path=/root err="/root/a: not ready with its new spec: boom; it runs with its old one again" text="= 1 unchanged"`,
		}, log.lines()[said:])
	})
}

// Replacing one of very many children costs in proportion to their number, not to its square.
func TestApplyToManyChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 2000
		specs := func(version string) (all []child.Spec) {
			for i := range n {
				all = append(all, child.Spec{Name: fmt.Sprint("c", i), Version: version, Run: idle})
			}
			return all
		}
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Children: specs("1")})
		changes, err := sup.Apply(t.Context(), desires(sup, append(specs("2"), versions("n 1")...)...))
		require.NoError(t, err)
		require.Len(t, changes.Replaced, n)
		require.Equal(t, "+ n   ~ c0, c1, c2, c3, c4 and 1995 more   = 0 unchanged", changes.String())
		require.NoError(t, sup.Health())
	})
}
