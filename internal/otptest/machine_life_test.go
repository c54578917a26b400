package otptest

import (
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A life is a supervisor from its start to its end: a machine and what OTP has around it,
// most of all a mailbox. OTP's supervisor does one thing at a time: while it starts or
// stops a child, other events wait in the mailbox.
type life struct {
	tree    *tree
	self    *process // the process that it runs in
	node    *Node    // its flags and template; an upgrade replaces it
	machine *machine.Machine
	nodes   map[string]*Node // nodes of its children, by name

	mail      []mail
	suspended bool    // a batch has suspended it: it reads no mail
	serving   *result // the call that it has not answered yet

	up         bool
	reason     string   // why it must end
	stopErrors []string // of a simple_one_for_one that ends; reported after the last child
}

// mail is one message.
type mail struct {
	from *process // set if the message reports the end of that process
	call *result  // set if the message is a call
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

// boot starts the children. The template of a simple_one_for_one is not a child.
func (l *life) boot() {
	var specs []child.Spec
	if !l.node.Simple() {
		for _, n := range l.node.Children {
			l.nodes[n.ID] = n
			specs = append(specs, n.ChildSpec(n.ID))
		}
	}
	l.machine.Boot(specs, nil, l.tree.now)
	l.do()
}

// close makes the supervisor end for that reason.
func (l *life) close(reason string) {
	l.reason = reason
	l.machine.Close(l.tree.now)
	l.do()
}

// post puts a message into the mailbox.
func (l *life) post(m mail) { l.mail = append(l.mail, m) }

// reads reports whether the supervisor reads its mailbox now.
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

// drain returns the actions that the latest event has led to.
func drain(m *machine.Machine) (actions []machine.Action) {
	for a := m.Next(); a != nil; a = m.Next() {
		actions = append(actions, *a)
	}
	return actions
}

// do carries out the machine's actions. No machine gets another event before all of them
// are done.
func (l *life) do() {
	for _, a := range drain(l.machine) {
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
		case machine.Publish:
			l.report(a)
		case machine.Answer:
			l.answer(a)
		case machine.Continue:
			l.tree.later(func() {
				l.machine.Continue(l.tree.now)
				l.do()
			})
		case machine.IsUp:
			l.isUp()
		case machine.IsOver:
			l.isOver()
		case machine.IsClosing, machine.Report, machine.Inform: // OTP has no equivalent
		default:
			l.tree.log("fault: %s: no such action: %+v", l.self.label, a)
		}
	}
}

// late delivers an event that is too late. It must change nothing.
func (l *life) late(event func()) {
	l.tree.later(func() {
		event()
		if actions := drain(l.machine); len(actions) > 0 {
			l.tree.log("fault: %s: a late event gave %+v", l.self.label, actions)
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

// cancel asks p to stop. If p has ended already, the message about that is in the mailbox,
// and the supervisor takes it from there.
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

// arm sets a timer. A retry is a message that the supervisor sends to itself.
func (l *life) arm(a machine.Action) {
	t, c := l.tree, a.Child
	l.disarm(c)
	fires := func() {
		l.machine.Timer(c, a.Run, a.Timer, t.now)
		l.do()
	}
	switch {
	case a.Timer != machine.RetryTimer:
		t.at(due{at: t.now + a.Wait, child: c, run: a.Run, timer: a.Timer, do: fires})
	case a.Wait == 0:
		l.post(mail{read: fires})
	default:
		t.log("fault: %s: a retry after %v", l.self.label, a.Wait)
	}
}

// disarm clears a child's timer and simulates that it fires at that moment, too late. A
// retry stays in the mailbox, as in OTP.
func (l *life) disarm(c *machine.Child) {
	t := l.tree
	i := slices.IndexFunc(t.due, func(d due) bool { return d.child == c })
	if i < 0 {
		return
	}
	d := t.due[i]
	t.due = slices.Delete(t.due, i, i+1)
	l.late(func() { l.machine.Timer(c, d.run, d.timer, t.now) })
}

func (l *life) isUp() {
	l.up = true
	l.tree.running[l.self.label] = l.self
	l.tree.log("sup_up %s", l.self.label)
	if l.self.sup != nil {
		l.self.isReady()
	}
}

// isOver ends the supervisor and reports that to its parent.
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
	case p.asked || !l.up: // the parent waits for it
		t.later(p.unlink)
		t.later(p.exited)
	default:
		t.later(p.unlink)
		p.sup.post(mail{from: p, read: p.exited})
	}
}

// check compares the machine's counts with its children when the tree is quiescent.
func (l *life) check() {
	live, specs := 0, 0
	for c := l.machine.First(); c != nil; c = c.Next() {
		specs++
		if c.State().Alive() {
			live++
		}
		if c.Marked() {
			l.tree.log("fault: %s: %s is still marked", l.self.label, c.Spec.Name)
		}
	}
	if live != l.machine.Live() || specs != l.machine.Specs() {
		l.tree.log("fault: %s: %d of %d children are alive, the machine says %d of %d",
			l.self.label, live, specs, l.machine.Live(), l.machine.Specs())
	}
}

// listing returns the children of the supervisor and their states.
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

// dump returns the state of the supervisor and of the supervisors below it.
func (l *life) dump() []string {
	lines := l.listing().Dump(l.self.label)
	for c := l.machine.First(); c != nil; c = c.Next() {
		if p, _ := c.Handle.(*process); p != nil && !p.dead && p.life != nil {
			lines = append(lines, p.life.dump()...)
		}
	}
	return lines
}
