package observer_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// at returns the tree as it was at a moment.
func at(t *testing.T, h http.Handler, when time.Time) view.Tree {
	t.Helper()
	return get[view.Tree](t, h, "/tree.json?at="+url.QueryEscape(when.Format(time.RFC3339Nano)))
}

// brief is what a tree looked like: path, state, restarts and error of each child.
func brief(n *view.Node, lines []string) []string {
	lines = append(lines, fmt.Sprintf("%s %v %d %s%s", n.Path, n.State, n.Restarts, n.LastError, n.Unready))
	for _, kid := range n.Children {
		lines = brief(kid, lines)
	}
	return lines
}

// Status texts are kept for a shorter time. A text of now must not be shown as one of then.
func TestATextThatIsForgottenIsNotThatOfNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		say := map[string]chan string{"a": make(chan string), "job": make(chan string)}
		talker := func(name string) child.Spec {
			return child.Spec{Name: name, Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				for {
					select {
					case text := <-say[name]:
						ctx.Status(text)
					case <-ctx.Done():
						return nil
					}
				}
			}}
		}
		root := start(t, supervisor.Spec{Children: []child.Spec{talker("a"), talker("job")}})
		o := observe(t, root, observer.Spec{Keep: 80})
		tell := func(to, text string) { say[to] <- text }
		tell("a", "first")
		time.Sleep(time.Minute)
		then := time.Now()
		time.Sleep(time.Minute)
		tell("a", "second")
		for i := range 50 {
			time.Sleep(time.Second)
			tell("job", fmt.Sprint(i))
		}
		was := func(at time.Time) string {
			return get[view.Child](t, o, "/child?path=a&at="+at.UTC().Format(time.RFC3339)).Node.Text
		}
		require.Empty(t, was(then), "not known any more")
		require.Equal(t, "second", was(time.Now().Add(-2*time.Second)))
	})
}

func TestTheTreeOfThePastIsTheOneThatWasSeenThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		boom := errors.New("boom")
		crash := make(chan error)
		work := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			select {
			case err := <-crash:
				return err
			case <-ctx.Done():
				time.Sleep(time.Second)
				return nil
			}
		}
		pool := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := declare(supervisor.Spec{Children: []child.Spec{
			{Name: "flaky", Run: work, Backoff: child.Constant(10 * time.Second)},
			{Name: "slow", Run: func(ctx child.Context) error { time.Sleep(5 * time.Second); return idle(ctx) }},
			{Name: "moody", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				child.Sleep(ctx, 20*time.Second)
				ctx.Unready(boom)
				child.Sleep(ctx, 20*time.Second)
				_ = ctx.Ready()
				<-ctx.Done()
				return nil
			}},
			{Name: "pool", Run: pool.Run},
		}})
		o := observe(t, root, observer.Spec{})
		began := time.Now()
		go func() { _ = root.Start(t.Context()) }()
		defer func() { _ = root.Stop(t.Context()) }()
		type sight struct {
			at   time.Time
			tree []string
		}
		var seen []sight
		look := func() {
			v := get[view.Tree](t, o, "/tree.json")
			seen = append(seen, sight{time.Now(), brief(v.Tree, nil)})
		}
		for second := range 90 {
			time.Sleep(time.Second - time.Millisecond)
			look() // between the seconds at which something happens
			time.Sleep(time.Millisecond)
			switch second {
			case 8:
				crash <- boom
			case 30:
				require.NoError(t, pool.StartChild(t.Context(), child.Spec{Name: "job", Run: idle, Restart: child.Temporary}))
			case 50:
				require.NoError(t, root.RemoveChild(t.Context(), "/shop/pool/job"))
			case 55:
				require.NoError(t, root.StopChild(t.Context(), "flaky"))
			case 62:
				require.NoError(t, root.RestartChild(t.Context(), "flaky"))
			}
		}
		rootKnown := 0
		if len(get[view.Events](t, o, "/events.json?kind=up").Events) == 0 {
			rootKnown = 1
		}
		for _, s := range seen {
			require.Equal(t, s.tree[rootKnown:], brief(at(t, o, s.at).Tree, nil)[rootKnown:], "%v after the start", s.at.Sub(began))
		}
		require.NoError(t, root.Stop(t.Context()))
		for _, s := range seen {
			v := at(t, o, s.at)
			require.Equal(t, s.tree[1:], brief(v.Tree, nil)[1:], "after the end, %v after the start", s.at.Sub(began))
			require.Empty(t, v.May)
			require.True(t, s.at.Equal(v.At))
		}
	})
}

func TestThePastBeginsWithTheRing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		time.Sleep(time.Minute)
		o := observe(t, root, observer.Spec{Keep: 4})
		began := time.Now()
		gone := func(when time.Time) {
			t.Helper()
			w := do(o, local(http.MethodGet, "/tree.json?at="+url.QueryEscape(when.Format(time.RFC3339)), ""))
			require.Equal(t, http.StatusGone, w.Code)
			require.Contains(t, w.Body.String(), "remembers events since")
		}
		gone(began.Add(-time.Second))
		at(t, o, began)
		for range 3 {
			time.Sleep(time.Minute)
			require.NoError(t, root.RestartChild(t.Context(), "a"))
		}
		time.Sleep(time.Minute)
		gone(began)
		at(t, o, began.Add(3*time.Minute))
		require.False(t, at(t, o, began.Add(time.Hour)).At.After(began), "the future is now: no past is shown")
		require.Equal(t, http.StatusBadRequest, do(o, local(http.MethodGet, "/tree.json?at=yesterday", "")).Code)
		require.Equal(t, http.StatusBadRequest, do(o, local(http.MethodGet, "/tree.txt?at="+url.QueryEscape(began.Add(3*time.Minute).Format(time.RFC3339)), "")).Code)
	})
}

// The causes of a past moment are those that were seen then, also of a supervisor that gave up.
func TestTheCauseOfAGiveUpInThePastIsTheOneThatWasSeenThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fail := func(ctx child.Context) error {
			_ = ctx.Ready()
			child.Sleep(ctx, time.Second)
			return errors.New("421 too many connections")
		}
		mail := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Minute), Children: []child.Spec{{Name: "relay", Run: fail}}})
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: mail.Run, Backoff: child.Constant(time.Hour)}}})
		o := observe(t, root, observer.Spec{})
		time.Sleep(10 * time.Second)
		then := time.Now()
		seen := get[view.Causes](t, o, "/causes.json").Causes
		require.Len(t, seen, 1)
		require.Equal(t, "421 too many connections", seen[0].Text)
		time.Sleep(2 * time.Hour)
		past := get[view.Causes](t, o, "/causes.json?at="+then.UTC().Format(time.RFC3339Nano)).Causes
		require.Len(t, past, 1)
		require.Equal(t, seen[0].ID, past[0].ID)
		require.Equal(t, seen[0].Text, past[0].Text)
	})
}
