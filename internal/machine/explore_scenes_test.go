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
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Independent} {
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
	return append(all, &scene{name: "independent with a newer spec", conf: conf(strategy.Independent, 1), ends: failsOrOK, calls: 3, suspends: true,
		specs: specs(worker("a"), worker("b", transient), worker("c", retries)), add: specs(worker("x")),
		newer: specs(worker("n"), worker("c", temporary), worker("b", backoff))})
}
