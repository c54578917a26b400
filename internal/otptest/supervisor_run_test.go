package otptest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A realRun is one run of a child, or the root.
type realRun struct {
	tree  *realTree
	node  *Node
	label string
	path  string
	end   chan string // makes the run end by itself for that reason

	// For a supervisor:
	cancel context.CancelFunc // makes it end
	told   string             // the reason, if it was ended from outside
	wasUp  bool

	left bool // it was abandoned: its acts are ignored
	err  error
}

// An ended is the reason for which a run ended by itself, as its error.
type ended string

func (e ended) Error() string { return string(e) }

func (e ended) Is(target error) bool {
	return target == child.ErrShutdown && (e == "shutdown" || e == "shutdown_term")
}

// asError returns the error of a run that ends for that reason.
func asError(reason string) error {
	if reason == "normal" {
		return nil
	}
	return ended(reason)
}

// run is the Run function of every child.
func (t *realTree) run(n *Node, label string, ctx child.Context) (err error) {
	r := &realRun{tree: t, node: n, label: label, path: ctx.Path(), end: make(chan string, 1)}
	t.mu.Lock()
	t.runs[r.path] = append(t.runs[r.path], r)
	attempt := t.starts[label]
	t.starts[label]++
	t.mu.Unlock()
	defer func() { r.err = err }()
	outcome := n.Start[min(attempt, len(n.Start)-1)]
	fault := ""
	if n.Sup {
		fault = n.SupFault()
	}
	switch {
	case outcome != "ok" && outcome != "flap":
		return r.fail(outcome)
	case fault != "" && !InGo(fault):
		return r.fail("error")
	case n.Sup:
		return r.supervise(ctx)
	}
	return r.work(ctx, outcome == "flap")
}

// fail ends a run before it is ready.
func (r *realRun) fail(outcome string) error {
	kind := "start"
	if r.node.Sup {
		kind = "sup"
	}
	r.tree.note(r, kind+"_"+outcome+" "+r.label, true)
	switch outcome {
	case "ignore":
		return child.ErrIgnore
	case "panic":
		panic(ended("panic"))
	}
	return ended(outcome)
}

// work runs a child that is not a supervisor.
func (r *realRun) work(ctx child.Context, flap bool) error {
	t := r.tree
	t.note(r, "start "+r.label, false)
	r.isUp(true)
	defer r.isUp(false)
	if flap {
		t.countFlap(1)
	}
	if err := ctx.Ready(); err != nil {
		return err
	}
	if flap { // in OTP it ends before its supervisor looks; a moment later has the same effect
		defer t.countFlap(-1)
		if !child.Sleep(ctx, time.Millisecond) {
			r.end <- "crash"
		}
	}
	select {
	case reason := <-r.end:
		return r.leave(reason)
	case <-ctx.Done():
	}
	r.isUp(false) // where OTP kills the child, this run continues
	switch term := r.node.Term; {
	case term == "hang":
		<-t.over
	case term == "crash":
		return r.leave("crash")
	case strings.HasPrefix(term, "slow:"):
		ms, _ := strconv.Atoi(strings.TrimPrefix(term, "slow:"))
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
		case <-t.over: // it was abandoned, like one that hangs
		}
	}
	t.note(r, "stop "+r.label+" shutdown", true)
	return nil
}

// leave ends the run by itself.
func (r *realRun) leave(reason string) error {
	if reason == "kill" {
		reason = "killed"
	}
	r.isUp(false)
	r.tree.note(r, "stop "+r.label+" "+reason, true)
	return asError(reason)
}

// supervise runs a child that is a supervisor. It wraps the supervisor's Run to end it from
// outside, which Stop refuses, and to notice when it is up.
func (r *realRun) supervise(ctx child.Context) error {
	t := r.tree
	t.mu.Lock()
	sup := t.sups[r.label]
	t.mu.Unlock()
	if sup == nil {
		sup = supervisor.New(t.supSpec(r.node, r.path))
		t.mu.Lock()
		t.sups[r.label] = sup
		t.mu.Unlock()
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	r.cancel = cancel
	err := sup.Run(supContext{child.FromContext(inner), r})
	r.isUp(false)
	switch {
	case !r.wasUp:
		t.note(r, "sup_error "+r.label, true)
	case r.told != "":
		t.note(r, "sup_down "+r.label+" "+r.told, true)
		return asError(r.told)
	default:
		t.note(r, "sup_down "+r.label+" shutdown", true)
	}
	return err
}

// A supContext notices when the supervisor that runs with it is up.
type supContext struct {
	child.Context
	run *realRun
}

func (c supContext) Ready() error {
	c.run.wasUp = true
	c.run.isUp(true)
	c.run.tree.note(c.run, "sup_up "+c.run.label, false)
	return c.Context.Ready()
}

// isUp records whether r is the running process of its label.
func (r *realRun) isUp(up bool) {
	t := r.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	if up {
		t.running[r.label] = r
	} else if t.running[r.label] == r {
		delete(t.running, r.label)
	}
}

func (t *realTree) countFlap(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flaps += n
}

// base returns the last element of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// dir returns the path without its last element.
func dir(path string) string { return path[:strings.LastIndexByte(path, '/')] }

func (r *realRun) String() string { return fmt.Sprintf("%s at %s", r.label, r.path) }
