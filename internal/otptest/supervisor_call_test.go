package otptest

import (
	"context"
	"errors"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// call makes a call to a supervisor, after checking for OTP's refusals.
func (t *realTree) call(sup *supervisor.Supervisor, self *realRun, step Step) string {
	ctx := context.Background()
	node := t.node(self.path)
	arg := t.scenario.Node(step.Arg(1)) // for start_child and upgrade
	name := step.Arg(1)
	switch step.Call() {
	case "upgrade":
		return t.upgrade(sup, self.path, arg)
	case "start_dyn":
		return t.startChild(sup, self.path, node.Template(), name, "")
	case "terminate_dyn":
		if _, found := sup.Lookup(name); !found {
			return "noproc"
		}
		t.merger.stopping = self.path + "/" + name
		return stopped(sup.StopChild(ctx, name))
	case "start_child":
		name = arg.ID
		if fault := arg.ChildFault(node.Auto); fault != "" {
			if !InGo(fault) {
				return "error " + fault
			}
			return t.startChild(sup, self.path, arg, name, fault)
		}
	}
	st, found := sup.Lookup(name)
	if refusal := Refusal(step.Call(), node, found, st.State); refusal != "" {
		return "error " + refusal
	}
	switch step.Call() {
	case "start_child":
		return t.startChild(sup, self.path, arg, name, "")
	case "restart_child":
		t.merger.asked = self.path + "/" + name
		return t.started(sup, name, sup.RestartChild(ctx, name))
	case "terminate_child":
		return stopped(sup.StopChild(ctx, name))
	case "delete_child":
		return stopped(sup.RemoveChild(ctx, name))
	case "get_childspec": // LookupSpec has no settings in OTP's terms, so the driver keeps them
		kept := t.node(st.Path)
		spec := kept.ChildSpec(name)
		spec.Restart = st.Restart
		return kept.Described(spec)
	}
	return "fault: no such call: " + step.Call()
}

func (t *realTree) startChild(sup *supervisor.Supervisor, path string, n *Node, name, fault string) string {
	before := t.node(path + "/" + name)
	spec := t.childSpec(n, name, path)
	t.merger.asked = path + "/" + name
	err := sup.StartChild(context.Background(), spec)
	if before != nil && err != nil { // the name was taken: keep the existing child's node
		t.mu.Lock()
		t.nodes[path+"/"+name] = before
		t.mu.Unlock()
	}
	var (
		made *supervisor.ChildError // the child was started; a fault inside is that of its supervisor
		bad  *child.SpecError
	)
	if !errors.As(err, &made) && errors.As(err, &bad) {
		if fault == "" {
			return "fault: " + err.Error()
		}
		return "error " + fault
	}
	return t.started(sup, name, err)
}

// started returns OTP's result of a call that starts a child.
func (t *realTree) started(sup *supervisor.Supervisor, name string, err error) string {
	switch {
	case err == nil:
		if st, found := sup.Lookup(name); !found || st.State != child.Running {
			return "ok undefined" // the child declined to run
		}
		return "ok"
	case errors.Is(err, supervisor.ErrNotRunning):
		return "exited"
	}
	return "error start_failed"
}

// stopped returns OTP's result of a call that stops a child. A child that OTP kills and
// Coppice abandons counts as stopped too.
func stopped(err error) string {
	var left *supervisor.StopError
	switch {
	case err == nil, errors.As(err, &left):
		return "ok"
	case errors.Is(err, supervisor.ErrNotRunning):
		return "exited"
	}
	return "fault: " + err.Error()
}

// upgrade applies the flags and specs of n. Under a simple_one_for_one each child has its
// own spec, so each gets the new template.
func (t *realTree) upgrade(sup *supervisor.Supervisor, path string, n *Node) string {
	fault := n.SupFault()
	if fault != "" && !InGo(fault) {
		return "error " + fault
	}
	t.mu.Lock()
	before := make(map[string]*Node, len(t.nodes))
	for at, x := range t.nodes {
		before[at] = x
	}
	t.nodes[path] = n
	t.mu.Unlock()
	spec := t.supSpec(n, path)
	spec.Name = base(path) // an upgrade must not change the name
	if n.Simple() {
		for _, c := range sup.Children() {
			spec.Children = append(spec.Children, t.childSpec(n.Template(), c.Name, path))
		}
	}
	err := sup.Upgrade(spec)
	if err == nil {
		return "ok"
	}
	t.mu.Lock()
	t.nodes = before
	t.mu.Unlock()
	var bad *child.SpecError
	if fault != "" && errors.As(err, &bad) {
		return "error " + fault
	}
	return "fault: " + err.Error()
}
