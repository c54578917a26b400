package otptest

import (
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A life is a supervisor from its start to its end: a machine, and what OTP has
// around it, a mailbox above all. OTP's supervisor does one thing at a time:
// while it starts or stops a child, what else happens waits in its mail.
type life struct {
	tree    *tree
	self    *process // in which it runs
	node    *Node    // its flags and its template; an upgrade changes it
	machine *machine.Machine
	nodes   map[string]*Node // of its children, by name

	mail      []mail
	suspended bool    // by a batch: it reads nothing
	serving   *result // of the call that it has not answered yet

	up         bool
	reason     string   // for which it was told to end
	stopErrors []string // of a simple_one_for_one that ends: told at last
}

// mail is one message.
type mail struct {
	from *process // it tells the end of that process
	call *result  // it is a call
	read func()
}

func newLife(t *tree, self *process) *life {
	l := &life{tree: t, self: self, node: self.node, reason: "shutdown", nodes: make(map[string]*Node)}
	l.machine = machine.New(l.config())
	self.life = l
	t.lives = append(t.lives, l)
	return l
}

func (l *life) config() machine.Config {
	s, i, a := l.node.Limits()
	return machine.Config{Strategy: s, Intensity: i, AutoShutdown: a}
}

// boot starts the children. The template of a simple_one_for_one is no child.
func (l *life) boot() {
	var specs []child.Spec
	if !l.node.Simple() {
		for _, n := range l.node.Children {
			l.nodes[n.ID] = n
			specs = append(specs, n.ChildSpec(n.ID))
		}
	}
	l.do(l.machine.Boot(specs, l.tree.now))
}

// close tells the supervisor to end, and for which reason.
func (l *life) close(reason string) {
	l.reason = reason
	l.do(l.machine.Close(l.tree.now))
}

// post puts a message into the mailbox.
func (l *life) post(m mail) { l.mail = append(l.mail, m) }

// reads reports whether the supervisor reads its mail now.
func (l *life) reads() bool {
	if len(l.mail) == 0 || l.suspended {
		return false
	}
	for c := l.machine.First(); c != nil; c = c.Next() {
		if s := c.State(); s == child.Starting || s == child.Stopping {
			return false
		}
	}
	return true
}

// do carries out what the machine says. It brings no machine an event before
// all of it is done.
func (l *life) do(actions []machine.Action) {
	for _, a := range actions {
		switch a.Kind {
		case machine.Launch:
			l.launch(a.Child, a.Run)
		case machine.Cancel:
			l.cancel(processOf(a.Child))
		case machine.Abandon:
			processOf(a.Child).kill()
		case machine.Arm:
			l.arm(a)
		case machine.Disarm:
			l.disarm(a.Child)
		case machine.Tell:
			l.report(a)
		case machine.Answer:
			l.answer(a)
		case machine.GoOn:
			l.tree.later(func() { l.do(l.machine.More(l.tree.now)) })
		case machine.IsUp:
			l.isUp()
		case machine.IsOver:
			l.isOver()
		case machine.IsClosing, machine.Report, machine.Inform: // OTP has nothing of the kind
		default:
			l.tree.log("fault: %s: no such action: %+v", l.self.label, a)
		}
	}
}

// late brings news that come too late, and must change nothing.
func (l *life) late(event func() []machine.Action) {
	l.tree.later(func() {
		if actions := event(); len(actions) > 0 {
			l.tree.log("fault: %s: late news gave %+v", l.self.label, actions)
		}
	})
}

func processOf(c *machine.Child) *process { return c.Handle.(*process) }

func (l *life) launch(c *machine.Child, run uint64) {
	p := &process{node: l.nodes[c.Spec.Name], sup: l, child: c, run: run}
	p.label = p.node.Label
	if l.node.Simple() {
		p.label = c.Spec.Name // its tag
	}
	c.Handle = p
	p.start()
}

// cancel asks p to stop. If it is dead already, its end is in the mail: the
// supervisor takes it from there.
func (l *life) cancel(p *process) {
	p.asked = true
	switch {
	case p.dead:
		l.mail = slices.DeleteFunc(l.mail, func(m mail) bool { return m.from == p })
		l.tree.later(p.exited)
	case p.life != nil:
		p.life.post(mail{read: func() { p.life.close("shutdown") }})
	default:
		l.tree.later(p.obey)
	}
}

// arm sets a timer. A retry is a message of the supervisor to itself.
func (l *life) arm(a machine.Action) {
	t, c := l.tree, a.Child
	l.disarm(c)
	goesOff := func() { l.do(l.machine.Timer(c, a.Run, a.Timer, t.now)) }
	switch {
	case a.Timer != machine.RetryTimer:
		t.at(due{at: t.now + a.Wait, child: c, run: a.Run, timer: a.Timer, do: goesOff})
	case a.Wait == 0:
		l.post(mail{read: goesOff})
	default:
		t.log("fault: %s: a retry after %v", l.self.label, a.Wait)
	}
}

// disarm clears a child's timer, which just then goes off: it is too late. A
// retry stays in the mail, as in OTP.
func (l *life) disarm(c *machine.Child) {
	t := l.tree
	i := slices.IndexFunc(t.due, func(d due) bool { return d.child == c })
	if i < 0 {
		return
	}
	d := t.due[i]
	t.due = slices.Delete(t.due, i, i+1)
	l.late(func() []machine.Action { return l.machine.Timer(c, d.run, d.timer, t.now) })
}

func (l *life) isUp() {
	l.up = true
	l.tree.running[l.self.label] = l.self
	l.tree.log("sup_up %s", l.self.label)
	if l.self.sup != nil {
		l.self.isReady()
	}
}

// isOver ends the supervisor, and tells the one above.
func (l *life) isOver() {
	t, p := l.tree, l.self
	for _, m := range l.mail {
		if m.call != nil {
			m.call.text = "exited"
		}
	}
	l.mail = nil
	t.lives = slices.DeleteFunc(t.lives, func(x *life) bool { return x == l })
	for _, reason := range slices.Sorted(slices.Values(l.stopErrors)) {
		t.log("report %s shutdown_error %s %s", p.label, l.node.Template().ID, reason)
	}
	if t.running[p.label] == p {
		delete(t.running, p.label)
	}
	p.dead, p.reason = true, l.reason
	switch {
	case l.up:
		t.log("sup_down %s %s", p.label, p.reason)
	case p.sup != nil:
		t.log("sup_error %s", p.label)
		p.reason = "crash" // any failure
	}
	switch {
	case p.sup == nil:
		t.down, t.reason = true, p.reason
		if !l.up {
			t.startError = "failed_to_start_child " + l.machine.End().Child.Spec.Name
		}
	case p.asked || !l.up: // the supervisor above waits for it
		t.later(p.unlink)
		t.later(p.exited)
	default:
		t.later(p.unlink)
		p.sup.post(mail{from: p, read: p.exited})
	}
}

// check holds the machine's counts against its children, when all is quiet.
func (l *life) check() {
	live, specs := 0, 0
	for c := l.machine.First(); c != nil; c = c.Next() {
		specs++
		if c.State().Alive() {
			live++
		}
		if c.Taken() {
			l.tree.log("fault: %s: %s is still marked", l.self.label, c.Spec.Name)
		}
	}
	if live != l.machine.Live() || specs != l.machine.Specs() {
		l.tree.log("fault: %s: %d of %d children are alive, the machine says %d of %d",
			l.self.label, live, specs, l.machine.Live(), l.machine.Specs())
	}
}

// listing is what the supervisor says of its children.
func (l *life) listing() Listing {
	list := Listing{Sup: l.node}
	for c := l.machine.First(); c != nil; c = c.Next() {
		name := c.Spec.Name
		p, _ := c.Handle.(*process)
		list.Children = append(list.Children, Listed{
			Name: name, State: c.State(), Dead: p != nil && p.dead, Type: l.nodes[name].Type,
		})
	}
	return list
}

// dump returns the state of the supervisor and of those below it.
func (l *life) dump() []string {
	lines := l.listing().Dump(l.self.label)
	for c := l.machine.First(); c != nil; c = c.Next() {
		if p, _ := c.Handle.(*process); p != nil && !p.dead && p.life != nil {
			lines = append(lines, p.life.dump()...)
		}
	}
	return lines
}
