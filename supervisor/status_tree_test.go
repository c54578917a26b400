package supervisor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// drawing compares a tree's text with a picture, which begins with an empty line.
func drawing(t *testing.T, want string, tree supervisor.Tree) {
	t.Helper()
	require.Equal(t, strings.TrimPrefix(want, "\n"), tree.String())
}

func TestTreeDrawsAllThatThereIsToSayOfAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		crawler, feed := newPuppet(), newPuppet()
		jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		inner := supervisor.New(supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "jobs", Run: jobs.Run},
			{Name: "rates", Run: idle, Restart: child.Transient},
		}})
		root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "migrate", Run: child.Task(noWork)},
			{Name: "inner", Run: inner.Run},
			{Name: "off", Run: func(child.Context) error { return child.ErrIgnore }},
			{Name: "crawler", Run: crawler.Run, Restart: child.Transient, Backoff: child.Constant(90 * time.Second)},
			{Name: "feed", Run: feed.Run},
			{Name: "zombie", Run: deaf.Run, StopTimeout: time.Second},
			{Name: "db", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.Unready(errors.New("away\nsince noon"))
				<-ctx.Done()
				return nil
			}},
			{Name: "api", Run: deaf.Run, StopTimeout: child.Forever},
		}})
		require.NoError(t, jobs.StartChild(t.Context(), child.Spec{Name: "job-1", Run: idle, Restart: child.Temporary}))
		require.Len(t, left(t, root.RestartChild(t.Context(), "zombie")), 1)
		feed.end(errBoom)
		feed.end(errBoom)
		crawler.end(errBoom)
		time.Sleep(30 * time.Second)
		go func() { _ = root.StopChild(t.Context(), "api") }()
		synctest.Wait()
		drawing(t, `
shop            running   one-for-one
├─ migrate      done
├─ inner        running   one-for-all
│  ├─ jobs      running   independent
│  │  └─ job-1  running   temporary
│  └─ rates     running   transient
├─ off          stopped
├─ crawler      waiting   transient, next start in 1m0s, last: boom, 30s ago
├─ feed         running   2 restarts, last: boom, 30s ago
├─ zombie       running   1 abandoned
├─ db           running   unready: away
└─ api          stopping
`, root.Tree())
	})
}

func TestTreeOfASupervisorInEachOfItsStates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ready, deaf := make(chan struct{}), &supervisortest.Child{StopAfter: child.Forever}
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "b", Run: func(ctx child.Context) error {
				<-ready
				return deaf.Run(ctx)
			}},
			{Name: "c", Run: idle},
		}})
		drawing(t, "root  stopped   rest-for-one\n", sup.Tree())
		go func() { _ = sup.Start(t.Context()) }()
		synctest.Wait()
		drawing(t, `
root  starting  rest-for-one
├─ a  running
├─ b  starting
└─ c  stopped
`, sup.Tree())
		close(ready)
		synctest.Wait()
		drawing(t, `
root  running   rest-for-one
├─ a  running
├─ b  running
└─ c  running
`, sup.Tree())
		go func() { _ = sup.Stop(t.Context()) }()
		synctest.Wait()
		drawing(t, `
root  stopping  rest-for-one
├─ a  running
├─ b  stopping
└─ c  stopped
`, sup.Tree())
		deaf.Release()
		require.NoError(t, sup.Wait())
		drawing(t, `
root  stopped   rest-for-one
├─ a  stopped
├─ b  stopped
└─ c  stopped
`, sup.Tree())
	})
}

func TestTreeShowsHowTheRootEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "a", Run: p.Run}}})
		p.end(errBoom)
		drawing(t, `
root  stopped   one-for-one, last: /root: gave up: more than 0 restarts in 1s: /root/a: boom, just now
└─ a  stopped   last: boom, just now
`, sup.Tree())
	})
}

func TestTreeFoldsMoreThanTwentyLikeLeaves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var specs []child.Spec
		add := func(name string, n int, restart child.Restart) {
			for i := range n {
				specs = append(specs, child.Spec{Name: fmt.Sprint(name, i), Run: idle, Restart: restart})
			}
		}
		add("a", 21, child.Transient)
		add("b", 20, child.Permanent)
		add("c", 23, child.Temporary)
		sup := start(t, supervisor.Spec{Children: specs})
		text := sup.Tree().String()
		require.Equal(t, 1+4+20+4, strings.Count(text, "\n"), "%s", text)
		lines := strings.Split(text, "\n")
		require.Equal(t, []string{
			"├─ a0         running   transient",
			"├─ a1         running   transient",
			"├─ a2         running   transient",
			"├─ … 18 more  running   transient",
			"├─ b0         running",
		}, lines[1:6])
		require.Equal(t, []string{
			"├─ b19        running",
			"├─ c0         running   temporary",
			"├─ c1         running   temporary",
			"├─ c2         running   temporary",
			"└─ … 20 more  running   temporary",
			"",
		}, lines[24:])
	})
}

func TestTreeDoesNotFoldSupervisors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var specs []child.Spec
		for i := range 25 {
			specs = append(specs, child.Spec{Name: fmt.Sprint("s", i), Run: supervisor.New(supervisor.Spec{}).Run})
		}
		require.Equal(t, 26, strings.Count(start(t, supervisor.Spec{Children: specs}).Tree().String(), "\n"))
	})
}

// Pool is a user's type that wraps a supervisor and overrides Run.
type Pool struct {
	*supervisor.Supervisor
	outer chan struct{}
}

func (p *Pool) Run(ctx child.Context) error {
	close(p.outer)
	return p.Supervisor.Run(ctx)
}

func TestTreeIncludesASupervisorThatAUsersTypeWraps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &Pool{supervisor.New(supervisor.Spec{Strategy: strategy.Independent}), make(chan struct{})}
		root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "pool", Run: p.Run}}})
		<-p.outer
		require.NoError(t, p.StartChild(t.Context(), child.Spec{Name: "x", Run: idle}))
		drawing(t, `
shop     running   one-for-one
└─ pool  running   independent
   └─ x  running
`, root.Tree())
		drawing(t, `
pool  running   independent
└─ x  running
`, p.Tree())
		text, err := json.Marshal(p.Tree())
		require.NoError(t, err)
		require.Contains(t, string(text), `"path":"/shop/pool"`)
		require.Equal(t, root, p.Root())
	})
}

func TestTreeAsJSON(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := start(t, supervisor.Spec{Name: "shop", Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "jobs", Run: jobs.Run},
			{Name: "api", Run: p.Run, Restart: child.Transient, Backoff: child.Constant(time.Second)},
		}})
		p.end(errors.New("broken\npipe"))
		text, err := json.Marshal(root.Tree())
		require.NoError(t, err)
		var indented bytes.Buffer
		require.NoError(t, json.Indent(&indented, text, "", "  "))
		require.Equal(t, `{
  "v": 1,
  "name": "shop",
  "path": "/shop",
  "state": "running",
  "since": "2000-01-01T00:00:00Z",
  "restarts": 0,
  "restart": "permanent",
  "supervisor": true,
  "strategy": "rest-for-one",
  "intensity": "3 in 5s",
  "children": [
    {
      "name": "jobs",
      "path": "/shop/jobs",
      "state": "running",
      "since": "2000-01-01T00:00:00Z",
      "restarts": 0,
      "restart": "permanent",
      "supervisor": true,
      "run": 1,
      "strategy": "independent",
      "intensity": "3 in 5s",
      "children": []
    },
    {
      "name": "api",
      "path": "/shop/api",
      "state": "waiting",
      "since": "2000-01-01T00:00:00Z",
      "restarts": 0,
      "last_error": "broken\npipe",
      "last_error_at": "2000-01-01T00:00:00Z",
      "next_start": "2000-01-01T00:00:01Z",
      "restart": "transient",
      "run": 2,
      "failing": true
    }
  ]
}`, indented.String())
	})
}

func TestTreeKeepsTheStrategyOfASupervisorThatIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{
			Strategy: strategy.RestForOne, Intensity: strategy.AtMost(0, time.Second),
			Children: []child.Spec{{Name: "a", Run: p.Run}},
		})
		late := make(chan struct{})
		root := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Backoff: child.Constant(time.Second), Run: func(ctx child.Context) error {
				if ctx.Restarts() > 0 {
					<-late
				}
				return inner.Run(ctx)
			}},
			{Name: "plain", Run: idle},
		}})
		p.end(errBoom)
		require.Equal(t, strategy.RestForOne, root.Tree().Children[0].Strategy)
		require.Contains(t, root.Tree().String(), "inner  waiting   rest-for-one, next start in 1s")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Contains(t, root.Tree().String(), "inner  starting  rest-for-one, 1 restart")
		close(late)
		synctest.Wait()
		require.Contains(t, root.Tree().String(), "inner  running   rest-for-one, 1 restart")
	})
}

func TestAllGoesOverTheTreeSupervisorsBeforeTheirChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}, {Name: "y", Run: idle}}})
		root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "in", Run: inner.Run}, {Name: "z", Run: idle},
		}})
		var paths []string
		for st := range root.Tree().All() {
			paths = append(paths, st.Path)
		}
		require.Equal(t, []string{"/shop", "/shop/a", "/shop/in", "/shop/in/x", "/shop/in/y", "/shop/z"}, paths)

		paths = nil
		for st := range root.Tree().All() {
			if paths = append(paths, st.Path); st.Name == "x" {
				break
			}
		}
		require.Equal(t, []string{"/shop", "/shop/a", "/shop/in", "/shop/in/x"}, paths)
	})
}

// deep is a supervisor in a supervisor, and so on.
func deep(levels int) supervisor.Tree {
	node := supervisor.Tree{Status: child.Status{Name: "leaf"}}
	for range levels {
		node = supervisor.Tree{Status: child.Status{Name: "s", Supervisor: true}, Children: []supervisor.Tree{node}}
	}
	return node
}

func TestTreeAsJSONInOtherValues(t *testing.T) {
	const inner = `"name":"s","path":"","state":"stopped","since":"0001-01-01T00:00:00Z","restarts":0,"restart":"permanent",` +
		`"supervisor":true,"strategy":"one-for-one","children":[` +
		`{"name":"leaf","path":"","state":"stopped","since":"0001-01-01T00:00:00Z","restarts":0,"restart":"permanent"}]}`
	one := deep(1)
	for want, of := range map[string]any{
		`{"v":1,` + inner:        one,
		`[{"v":1,` + inner + `]`: []*supervisor.Tree{&one},
		`{"Of":{"v":1,` + inner + `,"At":null}`: struct {
			Of supervisor.Tree
			At *supervisor.Tree
		}{Of: one},
	} {
		got, err := json.Marshal(of)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	_, err := json.Marshal(supervisor.Tree{Status: child.Status{Supervisor: true}, Children: []supervisor.Tree{{Status: child.Status{State: 77}}}})
	require.ErrorContains(t, err, "no such state: 77")
}

// Each level is written once. If each were written again in all above it, this would
// take hours.
func TestTreeAsJSONOfAnyDepth(t *testing.T) {
	text, err := json.Marshal(deep(4000))
	require.NoError(t, err)
	require.Equal(t, 4000, strings.Count(string(text), `"children":[`))
	text, err = deep(10_000).MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, 10_000, strings.Count(string(text), `"children":[{`))
	require.Equal(t, 1, strings.Count(string(text), `"v":1`))
	require.True(t, strings.HasSuffix(string(text), strings.Repeat("]}", 10_000)))
}
