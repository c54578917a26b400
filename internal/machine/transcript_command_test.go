package machine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A player plays a transcript with a machine.
type player struct {
	conf  Config
	specs []child.Spec
	m     *Machine
	now   time.Duration
	slow  map[*Child]bool // children whose timer is a SlowTimer
	known map[string]*Child
}

// declare reads a line that declares the supervisor or a child, and reports whether it
// does.
//
//	supervisor STRATEGY N in PERIOD [any-significant|all-significant]
//	child NAME [OPTION...]
func (s *player) declare(words []string) (bool, error) {
	switch words[0] {
	case "supervisor":
		if len(words) < 5 {
			return false, fmt.Errorf("supervisor STRATEGY N in PERIOD: %v", words)
		}
		n, err := strconv.Atoi(words[2])
		period, err2 := time.ParseDuration(words[4])
		if err := errors.Join(s.conf.Strategy.UnmarshalText([]byte(words[1])), err, err2); err != nil {
			return false, err
		}
		s.conf.Intensity = strategy.AtMost(n, period)
		if len(words) > 5 {
			return true, s.conf.AutoShutdown.UnmarshalText([]byte(words[5]))
		}
		return true, nil
	case "child":
		spec, err := specOf(words[1:])
		s.specs = append(s.specs, spec)
		return true, err
	}
	return false, nil
}

// specOptions are the options that may follow the name of a child, besides needs:NAME,NAME
// and after:NAME,NAME.
var specOptions = map[string]func(*child.Spec){
	"transient": transient, "temporary": temporary, "significant": significant,
	"backoff": backoff, "retry-start": retries, "start-timeout": impatient,
	"at-once": atOnce, "heartbeat": watched,
}

func specOf(words []string) (child.Spec, error) {
	spec := worker(words[0])
	for _, w := range words[1:] {
		option, names, _ := strings.Cut(w, ":")
		switch change := specOptions[w]; {
		case option == "needs":
			spec.Needs = strings.Split(names, ",")
		case option == "after":
			spec.After = strings.Split(names, ",")
		case change == nil:
			return spec, fmt.Errorf("no such option of a child: %s", w)
		default:
			change(&spec)
		}
	}
	return spec, nil
}

// do carries out a command and returns the actions as lines.
//
//	boot, close, cancel-all, abandon-all, suspend, resume
//	ready NAME[#RUN]                the run is ready
//	exit NAME[#RUN] OUTCOME         it has returned: normal, failure, done, ...
//	timer NAME[#RUN] KIND           its timer has fired: stop, retry, ...
//	delay NAME DURATION             its backoff answers
//	add NAME [OPTION...], stop NAME, remove NAME, restart NAME
//	replace NAME [OPTION...], take-back NAME
//	after DURATION                  time passes
//	show                            the states
func (s *player) do(words []string) ([]string, error) {
	if s.m == nil {
		s.m, s.slow, s.known = New(s.conf), map[*Child]bool{}, map[string]*Child{}
	}
	m, now, caller := s.m, s.now, strings.Join(words, " ")
	switch words[0] {
	case "boot":
		m.Boot(s.specs, nil, now)
	case "close":
		m.Close(now)
	case "cancel-all":
		m.CancelAll(now)
	case "abandon-all":
		m.AbandonAll(now)
	case "suspend":
		m.Suspend(now)
	case "resume":
		m.Resume(now)
	case "show":
		return s.show(), nil
	case "after":
		d, err := time.ParseDuration(words[1])
		s.now += d
		return nil, err
	case "add":
		spec, err := specOf(words[1:])
		if err != nil {
			return nil, err
		}
		m.Add(&spec, &Waiter{Owner: caller}, now)
	default:
		if err := s.childCommand(words, caller); err != nil {
			return nil, err
		}
	}
	for c := m.First(); c != nil; c = c.Next() {
		s.known[c.Name()] = c
	}
	return s.lines(drain(m)), nil
}

// childCommand carries out a command about a child. Without a run number it is about the
// latest run.
func (s *player) childCommand(words []string, caller string) error {
	if len(words) < 2 {
		return fmt.Errorf("no such command: %v", words)
	}
	name, number, numbered := strings.Cut(words[1], "#")
	c := s.known[name]
	if c == nil {
		return fmt.Errorf("%v: no such child", words)
	}
	run := c.Run()
	if numbered {
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return err
		}
		run = n
	}
	arg := ""
	if len(words) > 2 {
		arg = words[2]
	}
	m, now := s.m, s.now
	switch words[0] {
	case "ready":
		m.Ready(c, run, now)
	case "exit":
		kind, err := numberOf(outcomeNames[:], arg)
		out := Outcome{Kind: OutcomeKind(kind)}
		if out.Kind == Failure || out.Kind == Escalated {
			out.Err = errWorld
		}
		m.Exited(c, run, out, now)
		return err
	case "timer":
		kind, err := numberOf(timerNames[:], arg)
		m.Timer(c, run, Timer(kind), now)
		return err
	case "delay":
		d, err := time.ParseDuration(arg)
		m.BackoffDelay(c, d, now)
		return err
	case "stop":
		m.Stop(c, false, &Waiter{Owner: caller}, now)
	case "remove":
		m.Stop(c, true, &Waiter{Owner: caller}, now)
	case "restart":
		m.Restart(c, &Waiter{Owner: caller}, now)
	case "replace":
		spec, err := specOf(words[1:])
		if err != nil {
			return err
		}
		m.Replace(c, &spec, &Waiter{Owner: caller}, now)
	case "take-back":
		m.TakeBack(c, errWorld, now)
	default:
		return fmt.Errorf("no such command: %v", words)
	}
	return nil
}

func numberOf(names []string, name string) (int, error) {
	for i, n := range names {
		if n == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is none of %v", name, names)
}
