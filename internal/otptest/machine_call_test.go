package otptest

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A result is the result of a step, or of a call in a batch.
type result struct {
	call  string
	text  string         // empty if there is no answer yet
	child *machine.Child // the child that the call starts
}

func (r *result) waiter() *machine.Waiter { return &machine.Waiter{Owner: r} }

// ask puts a call into the mailbox.
func (l *life) ask(step Step) *result {
	r := &result{call: step.Call()}
	l.post(mail{call: r, read: func() { l.serve(step, r) }})
	return r
}

// serve answers a call, or passes it to the machine, which answers it later.
func (l *life) serve(step Step, r *result) {
	name := step.Arg(1)
	if r.call == "start_child" {
		name = l.tree.scenario.Node(name).ID
	}
	c := l.machine.Child(name)
	switch r.call {
	case "which":
		r.text = "children " + l.listing().Which()
		return
	case "count":
		r.text = "counts " + l.listing().Counts()
		return
	case "upgrade":
		r.text = l.upgrade(l.tree.scenario.Node(name))
		return
	case "start_dyn":
		l.add(l.node.Template(), name, r)
		return
	case "terminate_dyn":
		if c == nil {
			r.text = "noproc"
		} else {
			l.stop(c, false, r)
		}
		return
	case "start_child":
		if fault := l.tree.scenario.Node(step.Arg(1)).ChildFault(l.node.Auto); fault != "" {
			r.text = "error " + fault
			return
		}
	}
	var state child.State
	if c != nil {
		state = c.State()
	}
	if refusal := Refusal(r.call, l.node, c != nil, state); refusal != "" {
		r.text = "error " + refusal
		return
	}
	switch r.call {
	case "start_child":
		l.add(l.tree.scenario.Node(step.Arg(1)), name, r)
	case "restart_child":
		l.serving, r.child = r, c
		l.machine.Restart(c, r.waiter(), l.tree.now)
		l.do()
	case "terminate_child":
		l.stop(c, false, r)
	case "delete_child":
		l.stop(c, true, r)
	case "get_childspec":
		r.text = l.nodes[name].Described(*c.Spec)
	}
}

func (l *life) add(n *Node, name string, r *result) {
	l.nodes[name] = n
	l.serving = r
	spec := n.ChildSpec(name)
	r.child = l.machine.Add(&spec, r.waiter(), l.tree.now)
	l.do()
}

func (l *life) stop(c *machine.Child, forget bool, r *result) {
	l.serving = r
	l.machine.Stop(c, forget, r.waiter(), l.tree.now)
	l.do()
}

// upgrade applies the flags and specs of n. Under a simple_one_for_one each child has its
// own spec, so each gets the new template.
func (l *life) upgrade(n *Node) string {
	if fault := n.SupFault(); fault != "" {
		return "error " + fault
	}
	before := l.node
	l.node = n
	var specs []child.Spec
	if n.Simple() {
		for c := l.machine.First(); c != nil; c = c.Next() {
			specs = append(specs, n.Template().ChildSpec(c.Spec.Name))
		}
	} else {
		for _, x := range n.Children {
			specs = append(specs, x.ChildSpec(x.ID))
		}
	}
	if err := l.machine.Upgrade(l.config(), specs, l.tree.now); err != nil {
		l.node = before
		return "error " + err.Error()
	}
	for i, spec := range specs {
		if n.Simple() {
			l.nodes[spec.Name] = n.Template()
		} else {
			l.nodes[spec.Name] = n.Children[i]
		}
	}
	l.do()
	return "ok"
}

// answer stores the machine's answer to a call.
func (l *life) answer(a machine.Action) {
	r := a.Waiter.Owner.(*result)
	if r.text != "" {
		l.tree.log("fault: %s %s: answered twice", r.call, l.self.label)
	}
	l.serving = nil
	starts := r.child != nil
	switch {
	case a.Err == nil && starts && a.Child.Ignored:
		r.text = "ok undefined"
	case a.Err == nil, a.Err == machine.ErrAbandoned:
		r.text = "ok" // OTP returns ok for a child that it had to kill
	case a.Err == machine.ErrNotRunning:
		r.text = "exited"
	case starts:
		r.text = "error start_failed"
	default:
		r.text = "error " + a.Err.Error()
	}
}
