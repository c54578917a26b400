package otptest

import (
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A process simulates one run of a child, or the root. It follows the script of its node.
type process struct {
	label  string
	node   *Node
	sup    *life // nil for the root
	child  *machine.Child
	run    uint64
	life   *life // the supervisor that runs in it, or nil
	ready  bool
	asked  bool   // it was asked to stop
	dead   bool   // it has ended; its supervisor may not know yet
	reason string // why it ended
}

// start plays the next outcome of the script.
func (p *process) start() {
	t, m := p.sup.tree, p.sup.machine
	script := p.node.Start
	attempt := t.starts[p.label]
	t.starts[p.label]++
	outcome := script[min(attempt, len(script)-1)]
	if p.node.Sup && outcome == "ok" && p.node.SupFault() != "" {
		outcome = "error"
	}
	if outcome == "ok" || outcome == "flap" {
		if p.node.Sup {
			t.later(func() {
				m.Linked(p.child, p.run, t.now)
				p.sup.do()
				newLife(t, p).boot()
			})
			return
		}
		t.running[p.label] = p
		t.log("start %s", p.label)
		p.isReady()
		if outcome == "flap" {
			t.later(func() { p.endsItself("crash") })
		}
		return
	}
	kind := "start"
	if p.node.Sup {
		kind = "sup"
	}
	t.log("%s_%s %s", kind, outcome, p.label)
	p.dead = true
	out := machine.Outcome{Kind: machine.Failure, Err: reason(outcome)}
	if outcome == "ignore" {
		out = machine.Outcome{Kind: machine.Ignore, Err: child.ErrIgnore}
	}
	t.later(func() {
		m.Exited(p.child, p.run, out, t.now)
		p.sup.do()
	})
}

// isReady reports to the supervisor that p is ready.
func (p *process) isReady() {
	l := p.sup
	l.tree.later(func() {
		p.ready = true
		l.machine.Ready(p.child, p.run, l.tree.now)
		l.do()
	})
}

// endsItself ends p by itself. Its supervisor learns of it through the mailbox.
func (p *process) endsItself(reason string) {
	p.end(reason)
	p.sup.post(mail{from: p, read: p.exited})
}

// unlink reports that the supervisor in p has ended, and that p is about to end.
func (p *process) unlink() {
	p.sup.machine.Unlinked(p.child, p.run, p.sup.tree.now)
	p.sup.do()
}

// obey makes p follow its script for a stop.
func (p *process) obey() {
	switch {
	case p.dead: // killed already
	case p.node.Term == "hang":
	case p.node.Term == "crash":
		p.stops("crash")
	case strings.HasPrefix(p.node.Term, "slow:"):
		ms, _ := strconv.Atoi(strings.TrimPrefix(p.node.Term, "slow:"))
		t := p.sup.tree
		t.at(due{at: t.now + time.Duration(ms)*time.Millisecond, do: func() { p.stops("shutdown") }})
	default:
		p.stops("shutdown")
	}
}

// stops ends p, which was asked to stop.
func (p *process) stops(reason string) {
	if !p.dead {
		p.end(reason)
		p.exited()
	}
}

// kill ends p as OTP would where Coppice abandons it. For Coppice the return of the run is
// late and changes nothing.
func (p *process) kill() {
	if !p.dead {
		p.end("killed")
		p.sup.tree.later(p.exited)
	}
}

func (p *process) end(reason string) {
	if reason == "kill" {
		reason = "killed"
	}
	p.dead, p.reason = true, reason
	if t := p.sup.tree; t.running[p.label] == p {
		delete(t.running, p.label)
	}
	p.sup.tree.log("stop %s %s", p.label, reason)
}

// exited reports the end of p to its supervisor. Later events of the same run change
// nothing.
func (p *process) exited() {
	l := p.sup
	late := p.run != p.child.Run() || !p.child.State().Alive()
	out := p.outcome()
	l.machine.Exited(p.child, p.run, out, l.tree.now)
	if late {
		if actions := drain(l.machine); len(actions) != 1 || actions[0].Event != machine.LateExit {
			l.tree.log("fault: late end of %s gave %+v", p.label, actions)
		}
		return
	}
	l.do()
	l.late(func() { l.machine.Ready(p.child, p.run, l.tree.now) })
}

// outcome returns the end of p as an outcome of the machine.
func (p *process) outcome() machine.Outcome {
	out := machine.Outcome{Kind: machine.Failure, Err: reason(p.reason)}
	switch p.reason {
	case "normal":
		out.Kind = machine.Normal
	case "shutdown", "shutdown_term":
		out.Kind = machine.Shutdown
	}
	if p.life != nil {
		out.GaveUp = p.life.machine.End().Kind.GaveUp()
	}
	return out
}

// A reason is the reason for which a process ended, as the error of its run.
type reason string

func (r reason) Error() string { return string(r) }
