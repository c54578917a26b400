package machine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A child that is down gets a new spec on trial, another caller restarts it, and the new spec
// is taken back. The child starts with its old spec, because the other caller waits for that.
// The order of the two does not matter, and neither does the strategy.
func TestRestartOfAChildThatWasDownBeforeItsReplacement(t *testing.T) {
	type kit struct {
		*testing.T
		m       *Machine
		a       *Child
		answers map[any]error
		restart Waiter
	}
	settle := func(k *kit) {
		for _, x := range drain(k.m) {
			if x.Kind == Answer {
				k.answers[x.Waiter.Owner] = x.Err
			}
		}
	}
	step := map[string]func(*kit){
		"restart": func(k *kit) { k.m.Restart(k.a, &k.restart, 0) },
		"back":    func(k *kit) { k.m.TakeBack(k.a, errWorld, 0) },
		"fails":   func(k *kit) { k.m.Exited(k.a, k.a.run, fails[0], 0) },
		"stopped": func(k *kit) { k.m.Exited(k.a, k.a.run, Outcome{}, 0) },
		"ready":   func(k *kit) { k.m.Ready(k.a, k.a.run, 0) },
	}
	for _, steps := range [][]string{
		{"restart", "back", "stopped", "ready"},
		{"back", "restart", "stopped", "ready"},
		{"restart", "stopped", "back", "stopped", "ready"}, // the restart has begun
		{"restart", "stopped", "fails", "ready"},           // nobody takes it back: it fails
	} {
		for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Graph} {
			for _, edges := range [][]string{nil, {"a"}} {
				if edges != nil && s != strategy.Graph {
					continue
				}
				name := s.String()
				for _, x := range append(steps, edges...) {
					name += " " + x
				}
				t.Run(name, func(t *testing.T) {
					m := New(Config{Strategy: s, Intensity: strategy.Unlimited()})
					m.Boot([]child.Spec{worker("a"), worker("b", needs(edges...))}, nil, 0)
					k := &kit{t, m, m.Child("a"), map[any]error{}, Waiter{Owner: "restart"}}
					old := k.a.Spec
					settleAll(t, m)
					m.Stop(k.a, false, nil, 0)
					settleAll(t, m)
					spec := worker("a")
					m.Replace(k.a, &spec, &Waiter{Owner: "replace"}, 0)
					settle(k)
					for _, x := range steps {
						require.Empty(t, k.answers, "before %s", x)
						step[x](k)
						settle(k)
					}
					require.Equal(t, child.Running, k.a.state)
					require.Same(t, old, k.a.Spec)
					require.Contains(t, k.answers, "restart")
					require.NoError(t, k.answers["restart"])
					require.Equal(t, &TakenBack{Err: errWorld}, k.answers["replace"])
					require.Empty(t, m.trials)
				})
			}
		}
	}
}

// A child gets a new spec while it starts with its old one and its group waits to stop it.
// When that start succeeds, the new spec has not been tried yet.
func TestReplaceOfAChildThatIsStoppedWithItsGroup(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		t.Run(s.String(), func(t *testing.T) {
			m := New(Config{Strategy: s, Intensity: strategy.Unlimited()})
			m.Boot([]child.Spec{worker("a"), worker("b"), worker("c")}, nil, 0)
			a, b, c := m.Child("a"), m.Child("b"), m.Child("c")
			settleAll(t, m)
			m.Restart(b, nil, 0)
			drain(m)
			m.Exited(b, b.run, Outcome{}, 0)
			drain(m)
			require.Equal(t, child.Starting, b.state)
			m.Exited(a, a.run, fails[0], 0)
			drain(m)
			require.Equal(t, child.Stopping, c.state)
			spec, who := worker("b"), Waiter{}
			m.Replace(b, &spec, &who, 0)
			drain(m)
			m.Ready(b, b.run, 0)
			for _, x := range drain(m) {
				require.NotEqual(t, Answer, x.Kind)
			}
			answers := 0
			m.Exited(c, c.run, Outcome{}, 0)
			for acts := drain(m); len(acts) > 0; {
				x := acts[0]
				acts = acts[1:]
				switch x.Kind {
				case Launch:
					m.Ready(x.Child, x.Run, 0)
				case Cancel:
					m.Exited(x.Child, x.Run, Outcome{}, 0)
				case Answer:
					require.Same(t, &who, x.Waiter)
					require.NoError(t, x.Err)
					answers++
				}
				acts = append(acts, drain(m)...)
			}
			require.Equal(t, 1, answers)
			require.Same(t, &spec, b.Spec)
			require.Equal(t, child.Running, b.state)
			require.Empty(t, m.trials)
		})
	}
}
