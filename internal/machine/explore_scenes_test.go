package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

func noBackoff() child.BackoffPolicy { return nil }

// worker returns a spec. Its Run is never called: the explorer simulates it.
func worker(name string, change ...func(*child.Spec)) child.Spec {
	s := child.Spec{Name: name, Run: func(child.Context) error { return nil }}
	for _, c := range change {
		c(&s)
	}
	return s
}

func transient(s *child.Spec)   { s.Restart = child.Transient }
func temporary(s *child.Spec)   { s.Restart = child.Temporary }
func significant(s *child.Spec) { s.Significant = true }
func backoff(s *child.Spec)     { s.Backoff = noBackoff }
func retries(s *child.Spec)     { s.RetryStart = true }
func impatient(s *child.Spec)   { s.StartTimeout = time.Second }
func atOnce(s *child.Spec)      { s.StopTimeout = child.AtOnce }
func limited(s *child.Spec)     { s.StopTimeout = time.Second }
func watched(s *child.Spec)     { s.Heartbeat = time.Second }

func needs(names ...string) func(*child.Spec) {
	return func(s *child.Spec) { s.Needs = names }
}

func after(names ...string) func(*child.Spec) {
	return func(s *child.Spec) { s.After = names }
}

var (
	fails     = []Outcome{{Kind: Failure, Err: errWorld}}
	failsOrOK = []Outcome{{Kind: Failure, Err: errWorld}, {Kind: Normal}}
	allEnds   = []Outcome{{Kind: Failure, Err: errWorld}, {Kind: Normal}, {Kind: Done}, {Kind: Ignore}, {Kind: Escalated, Err: errWorld}}
)

func scenes() []*scene {
	conf := func(s strategy.Strategy, n int) Config {
		return Config{Strategy: s, Intensity: strategy.AtMost(n, time.Hour)}
	}
	specs := func(all ...child.Spec) []child.Spec { return all }
	var all []*scene
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Independent, strategy.Graph} {
		name := s.String()
		all = append(all,
			&scene{name: name + " with requests", conf: conf(s, 2), ends: fails, calls: 2,
				specs: specs(worker("a"), worker("b"), worker("c"))},
			&scene{name: name + " with restart types", conf: conf(s, 2), ends: failsOrOK, calls: 1,
				specs: specs(worker("a", transient), worker("b", temporary), worker("c"), worker("d"))},
			&scene{name: name + " with all ends", conf: conf(s, 1), ends: allEnds, calls: 1,
				specs: specs(worker("a", transient), worker("b"), worker("c", temporary))},
			&scene{name: name + " with backoff", conf: conf(s, 2), ends: fails, calls: 2,
				specs: specs(worker("a", backoff), worker("b"), worker("c", backoff))},
			&scene{name: name + " with retried starts", conf: conf(s, 3), ends: fails, calls: 1,
				specs: specs(worker("a", retries), worker("b", retries, backoff), worker("c"))},
			&scene{name: name + " with new children", conf: conf(s, 1), ends: failsOrOK, calls: 3,
				specs: specs(worker("a"), worker("b", transient)), add: specs(worker("x"), worker("y", temporary))},
			&scene{name: name + " with timeouts and a forced stop", conf: conf(s, 1), ends: fails, calls: 2, outOfTime: true,
				specs: specs(worker("a", impatient), worker("b", atOnce), worker("c", watched))},
			&scene{name: name + " with pauses", conf: conf(s, 2), ends: fails, calls: 3, suspends: true,
				specs: specs(worker("a"), worker("b", backoff)), add: specs(worker("x"))},
		)
		all = append(all,
			&scene{name: name + " with replaced specs", conf: conf(s, 1), ends: allEnds, calls: 2, replaces: true,
				specs: specs(worker("a"), worker("b", retries, backoff), worker("c", transient))},
			&scene{name: name + " with replaced specs and timeouts", conf: conf(s, 1), ends: fails, calls: 3, replaces: true, suspends: true,
				specs: specs(worker("a", impatient), worker("b", temporary, atOnce))})
		auto := conf(s, 1)
		auto.AutoShutdown = strategy.AllSignificant
		all = append(all, &scene{name: name + " with significant children", conf: auto, ends: failsOrOK, calls: 1,
			specs: specs(worker("a", transient, significant), worker("b", temporary, significant), worker("c"))})
		all = append(all, &scene{name: name + " with a temporary child that is stopped", conf: conf(s, 1), ends: fails, calls: 1,
			specs: specs(worker("a"), worker("b", temporary))})
		inner := &scene{name: "inner", conf: conf(s, 1), ends: fails, specs: specs(worker("p"), worker("q")), outOfTime: false}
		all = append(all, &scene{name: name + " with a nested supervisor", conf: conf(s, 1), ends: fails, calls: 1, outOfTime: true,
			specs: specs(worker("sup", limited), worker("w")), inner: inner})
	}
	// Only Independent children are upgraded here. In an ordered supervisor an Upgrade
	// changes the order that the rules compare with.
	all = append(all, graphScenes(conf)...)
	all = append(all, &scene{name: "independent with a newer spec", conf: conf(strategy.Independent, 1), ends: failsOrOK, calls: 3, suspends: true,
		specs: specs(worker("a"), worker("b", transient), worker("c", retries)), add: specs(worker("x")),
		newer: specs(worker("n"), worker("c", temporary), worker("b", backoff))})
	return append(all, briefScenes(conf)...)
}

// briefScenes have so few states that all are visited. They come last, because the number of
// a scene is a part of the seed of its walks.
func briefScenes(conf func(strategy.Strategy, int) Config) []*scene {
	specs := func(all ...child.Spec) []child.Spec { return all }
	g := func(n int) Config { return conf(strategy.Graph, n) }
	all := []*scene{
		{name: "graph: a child that is done, above one that is stopped", conf: g(1), ends: failsOrOK, calls: 1, bare: true, whole: true,
			specs: specs(worker("a"), worker("b"), worker("c", transient, needs("a", "b")))},
		{name: "graph: a new child above one that is done", conf: g(0), ends: failsOrOK[1:], calls: 3, bare: true, whole: true,
			specs: specs(worker("a"), worker("b", transient, needs("a"))), add: specs(worker("x", needs("b")))},
	}
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Independent, strategy.Graph} {
		all = append(all, &scene{name: s.String() + " with a replaced spec of a child that is down", conf: conf(s, 1), ends: fails, calls: 4,
			replaces: true, bare: true, whole: true, specs: specs(worker("a"))})
	}
	return append(all, &scene{name: "graph: a replaced spec of a child that needs another", conf: g(0), ends: allEnds, calls: 2,
		replaces: true, bare: true, whole: true, specs: specs(worker("a"), worker("b", temporary, needs("a")))})
}

// graphScenes are trees with edges. Those of TestExploreEveryGraph have less that may happen.
func graphScenes(conf func(strategy.Strategy, int) Config) []*scene {
	specs := func(all ...child.Spec) []child.Spec { return all }
	g := func(n int) Config { return conf(strategy.Graph, n) }
	auto := g(1)
	auto.AutoShutdown = strategy.AllSignificant
	inner := &scene{name: "inner", conf: g(1), ends: fails, specs: specs(worker("p"), worker("q", needs("p")))}
	return []*scene{
		{name: "graph: a chain with requests", conf: g(2), ends: fails, calls: 2,
			specs: specs(worker("a"), worker("b", needs("a")), worker("c", needs("b")))},
		{name: "graph: a hub with restart types", conf: g(2), ends: failsOrOK, calls: 1,
			specs: specs(worker("a", transient), worker("b", needs("a"), temporary), worker("c", needs("a")), worker("d", after("b", "c")))},
		{name: "graph: a diamond with all ends", conf: g(1), ends: allEnds, calls: 1,
			specs: specs(worker("a", transient), worker("b", needs("a"), transient), worker("c", needs("a"), after("b")), worker("d", needs("b", "c"), temporary))},
		{name: "graph: backoff", conf: g(2), ends: fails, calls: 2,
			specs: specs(worker("a", backoff), worker("b", needs("a")), worker("c", backoff, needs("a"), after("b")))},
		{name: "graph: retried starts", conf: g(3), ends: fails, calls: 1,
			specs: specs(worker("a", retries), worker("b", needs("a"), retries, backoff), worker("c", after("a")))},
		{name: "graph: new children", conf: g(1), ends: failsOrOK, calls: 3,
			specs: specs(worker("a"), worker("b", transient, needs("a"))), add: specs(worker("x", needs("b"), after("y")), worker("y", needs("a"), temporary), worker("z", needs("y")))},
		{name: "graph: timeouts and a forced stop", conf: g(1), ends: fails, calls: 2, outOfTime: true,
			specs: specs(worker("a", impatient), worker("b", atOnce, needs("a")), worker("c", watched, needs("a"), after("b")))},
		{name: "graph: a hung child that is needed", conf: g(2), ends: fails, calls: 1,
			specs: specs(worker("a", watched, backoff), worker("b", watched, needs("a")), worker("c", impatient, needs("b")))},
		{name: "graph: pauses", conf: g(2), ends: fails, calls: 3, suspends: true,
			specs: specs(worker("a"), worker("b", backoff, needs("a"))), add: specs(worker("x", needs("b")))},
		{name: "graph: pauses of a child that is needed later", conf: g(2), ends: fails, calls: 3, suspends: true, bare: true,
			specs: specs(worker("a"), worker("b")), add: specs(worker("x", needs("b"), after("a")))},
		{name: "graph: significant children", conf: auto, ends: failsOrOK, calls: 1,
			specs: specs(worker("a", transient, significant), worker("b", temporary, significant, needs("a")), worker("c", needs("a")))},
		{name: "graph: a child that is done, above two", conf: g(2), ends: failsOrOK, calls: 2, bare: true, whole: true,
			specs: specs(worker("a"), worker("b"), worker("c", transient, needs("a", "b")))},
		{name: "graph: a child above one that is done, above two", conf: g(2), ends: failsOrOK, calls: 3,
			specs: specs(worker("a"), worker("b"), worker("c", transient, needs("a", "b")), worker("d", needs("c")))},
		{name: "graph: a temporary child that is restarted", conf: g(2), ends: fails, calls: 2,
			specs: specs(worker("a"), worker("b", temporary, needs("a")), worker("c", after("b")))},
		{name: "graph: a nested supervisor", conf: g(1), ends: fails, calls: 1, outOfTime: true,
			specs: specs(worker("sup", limited), worker("w", needs("sup"))), inner: inner},
		{name: "graph: after one that waits", conf: g(3), ends: fails, bare: true, whole: true,
			specs: specs(worker("a", backoff), worker("b", needs("a")), worker("c", after("b")))},
		{name: "graph: replaced specs of a chain", conf: g(1), ends: failsOrOK, calls: 2, replaces: true, bare: true, whole: true,
			specs: specs(worker("a"), worker("b", needs("a"), transient))},
		{name: "graph: replaced specs of what starts", conf: g(1), ends: fails, calls: 2, replaces: true, bare: true, whole: true,
			specs: specs(worker("a"), worker("b", after("a")))},
		{name: "graph: replaced specs with all ends", conf: g(1), ends: allEnds, calls: 2, replaces: true,
			specs: specs(worker("a", transient), worker("b", needs("a"), retries, backoff), worker("c", needs("a"), after("b"), temporary))},
		{name: "graph: replaced specs and timeouts", conf: g(1), ends: fails, calls: 3, replaces: true, suspends: true,
			specs: specs(worker("a", impatient), worker("b", atOnce, impatient, needs("a")), worker("c", after("b"), impatient))},
		{name: "graph: replaced specs with other edges", conf: g(1), ends: failsOrOK, calls: 3, replaces: true,
			specs: specs(worker("a"), worker("b", needs("a"), transient), worker("c")),
			edges: map[string][]child.Spec{
				"b": {worker("b"), worker("b", after("a"))},
				"c": {worker("c", needs("b")), worker("c", needs("a"), after("b"))},
			}},
		{name: "graph: a newer spec while a child stops", conf: g(0), ends: fails, calls: 2, bare: true, whole: true,
			specs: specs(worker("a"), worker("b", needs("a")), worker("c")),
			newer: specs(worker("a"), worker("b", needs("a")), worker("c", needs("a")))},
		{name: "graph: a newer spec while starts are held", conf: g(2), ends: fails, calls: 2, bare: true, whole: true, suspends: true,
			specs: specs(worker("a"), worker("c")),
			newer: specs(worker("a"), worker("c", needs("a")))},
		{name: "graph: a newer spec", conf: g(2), ends: fails, calls: 3, suspends: true,
			specs: specs(worker("a"), worker("b", needs("a")), worker("c")),
			add:   specs(worker("x", needs("b"))),
			newer: specs(worker("n"), worker("c", needs("b", "n"), backoff), worker("b", after("a")), worker("a"))},
	}
}
