package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
)

// The commands that change something.

func restartCommand() *command {
	return actCommand(view.Restart, "restarted", "restart a child, and wait until it is ready", `
Stops the child at PATH if it runs, starts it, and waits until it is ready. It does not
count as a restart of its supervisor. The exit status is 1 if it does not become ready.`)
}

func stopCommand() *command {
	return actCommand(view.Stop, "stopped", "stop a child", `
Stops the child at PATH, and waits until it has stopped. Its spec is kept, so that start
or restart can start it again, unless it is temporary or a child of an Independent
supervisor. The exit status is 1 if its run did not stop in time and was abandoned, or
returned an error.`)
}

func startCommand() *command {
	return actCommand(view.Start, "started", "start a child that does not run, and wait until it is ready", `
Starts the child at PATH, which is stopped, done or waiting, and waits until it is ready.
The exit status is 1 if it does not become ready.`)
}

func suspendCommand() *command {
	return actCommand(view.Suspend, "suspended", "let a supervisor start nothing until resume", `
Blocks all starts of the children of the supervisor at PATH until resume: failed children
wait. Running children go on.`)
}

func resumeCommand() *command {
	return actCommand(view.Resume, "resumed", "end a suspend", `
Ends a suspend of the supervisor at PATH: everything that has waited since is started.`)
}

const actHelp = `
The observer of the program must permit it: see Act in package observer. What was done is
logged there, with the name of the operator.

The action is for the run of the child that it has now, or with -run for that one: if the
child has another run by then, nothing is done. On a terminal, coppice first asks if other
children are restarted or stopped with it. A child that serves the page needs -force.

Exit status 4 means that it was refused or not confirmed, and that nothing was done. If
no answer comes within -timeout, what was begun goes on.`

// actCommand returns the command of an action. done is the word for what it has done.
func actCommand(action view.Action, done, short, long string) *command {
	a := act{action: action, done: done}
	return &command{
		name: string(action), url: needed, path: needed, timeout: actTimeout, noJSON: true,
		short: short,
		long:  strings.TrimSpace(long) + "\n" + actHelp,
		flags: func(f *flag.FlagSet) {
			f.Uint64Var(&a.run, "run", 0, "do it only if the child still has the run with this `number`")
			f.BoolVar(&a.yes, "yes", false, "do not ask")
			f.BoolVar(&a.force, "force", false, "do it even if the child serves the page")
		},
		run: func(ctx context.Context, s *session) error { return a.carryOut(ctx, s) },
	}
}

// An act is an action with its flags.
type act struct {
	action view.Action
	done   string
	run    uint64
	yes    bool
	force  bool
}

func (a *act) carryOut(ctx context.Context, s *session) error {
	c, _, err := s.child(ctx)
	if err != nil {
		return err
	}
	if a.run == 0 {
		a.run = c.Node.Run
	}
	if choice := a.choice(c); choice != nil { // otherwise the server says why not
		if choice.Force && !a.force {
			return refusedError("%s serves the page, which goes away with it: add -force", clean(c.Node.Path))
		}
		if err := a.confirm(ctx, s, c, choice); err != nil {
			return err
		}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, s.client.timeout, errTimeout{s.client.timeout})
	defer cancel()
	acted, err := a.post(ctx, s.client, c.Node.Path)
	if err != nil {
		return err
	}
	run := acted.Run
	if acted.Later {
		if run, err = a.settle(ctx, s, c.Node.Path); err != nil {
			return err
		}
	}
	if acted.Note != "" {
		return troubleError("%s: %s, but: %s", clean(c.Node.Path), a.done, clean(acted.Note))
	}
	what := clean(c.Node.Path) + ": " + a.done
	if run > a.run {
		what += fmt.Sprintf(", run %d", run)
	}
	s.printf("%s (%s)\n", what, short(time.Since(began)))
	return nil
}

// choice returns what the server says of the action, or nil if it does not offer it.
func (a *act) choice(c *view.Child) *view.Choice {
	for i := range c.Acts {
		if c.Acts[i].Action == a.action {
			return &c.Acts[i]
		}
	}
	return nil
}

// confirm asks on a terminal if others are concerned too.
func (a *act) confirm(ctx context.Context, s *session, c *view.Child, choice *view.Choice) error {
	if a.yes || choice.AlsoN == 0 || !s.screen.terminal {
		return nil
	}
	s.paragraph("", plain, clean(choice.Text))
	s.paragraph("", bold, fmt.Sprintf("Along with %s: %s, %s of them well now.",
		clean(c.Node.Path), counted(choice.AlsoN, "child", "children"), count(choice.WellN)))
	for _, path := range choice.Also {
		s.printf("  %s\n", clean(path))
	}
	if more := choice.AlsoN - len(choice.Also); more > 0 {
		s.printf("  … %s more\n", count(more))
	}
	if choice.Longest != "" {
		s.printf("Longest stop: %s\n", clean(choice.Longest))
	}
	s.printf("Go on? [y/N] ")
	answer := make(chan string, 1)
	go func() { // after Ctrl-C it ends with the process, or with the input
		text, _ := bufio.NewReader(s.in).ReadString('\n')
		answer <- text
	}()
	select {
	case text := <-answer:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "y", "yes":
			return nil
		}
	case <-ctx.Done():
		s.printf("\n")
	}
	return refusedError("not confirmed: nothing was done")
}

// post requests the action.
func (a *act) post(ctx context.Context, c *client, path string) (*view.Acted, error) {
	body, err := json.Marshal(view.Act{Path: path, Action: a.action, Run: a.run, Force: a.force})
	if err != nil {
		return nil, err
	}
	var answer struct {
		view.Acted
		Error  string `json:"error"`
		NowRun uint64 `json:"now_run"`
	}
	_, status, err := c.call(ctx, http.MethodPost, "act", nil, body, &answer)
	switch {
	case errors.As(context.Cause(ctx), new(errTimeout)):
		return nil, reachError("%w. What was begun goes on: coppice why %s %s shows how it is", context.Cause(ctx), c.target, clean(path))
	case err != nil:
		return nil, err
	case status == http.StatusConflict:
		return nil, refusedError("not done: %s has run %d by now, and not run %d. Look again before you act", clean(path), answer.NowRun, a.run)
	}
	return &answer.Acted, nil
}

// settle waits for an action that the server carries out after its answer: until the page
// shows its effect, or is gone because of it. It returns the run of the child.
func (a *act) settle(ctx context.Context, s *session, path string) (run uint64, err error) {
	for wait := (retry{}); ; {
		s.path = path
		c, _, err := s.child(ctx)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			if done, err := a.settled(c.Node); done {
				return c.Node.Run, err
			}
		case a.action == view.Stop && statusOf(err) == exitReach:
			return 0, nil
		case statusOf(err) == exitRefused:
			return 0, err
		}
		if !sleep(ctx, wait.next()/5) {
			return 0, reachError("%s: the action was accepted, but its effect was not seen: %w", clean(path), context.Cause(ctx))
		}
	}
}

// settled reports whether an action has had its effect. The error says that it has
// failed.
func (a *act) settled(n *view.Node) (bool, error) {
	switch {
	case a.action == view.Stop:
		return n.State == child.Stopped, nil
	case n.Run <= a.run:
		return false, nil
	}
	switch n.State {
	case child.Running, child.Done:
		return true, nil
	case child.Stopped:
		said := ""
		if n.LastError != "" {
			said = ": " + clean(n.LastError)
		}
		return true, troubleError("%s did not become ready, and is stopped%s", clean(n.Path), said)
	}
	return false, nil
}
