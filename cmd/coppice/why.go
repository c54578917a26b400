package main

import (
	"context"
	"encoding/json"
	"flag"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

func whyCommand() *command {
	stacks := false
	return &command{
		name: "why", url: needed, path: needed, timeout: readTimeout,
		short: "what led to the state of a child, event by event",
		long: `
Prints what a child does now, its error in full, the events that led to its state, the
oldest first, what comes next, and what can be done. Each event but the first has the
number of the one that led to it.

PATH is a full path such as /shop/db, or one from the root such as db.

-json prints an object with the fields "child", "events" and, with -stacks,
"goroutines", as the server sent them.

The exit status is 1 if the child, or a declared child below it, is in trouble.`,
		flags: func(f *flag.FlagSet) {
			f.BoolVar(&stacks, "stacks", false, "print the stack of the last panic, and those of its goroutines now")
		},
		run: func(ctx context.Context, s *session) error {
			c, rawChild, err := s.child(ctx)
			if err != nil {
				return err
			}
			var led view.Events
			parts := map[string]json.RawMessage{"child": rawChild}
			if c.Why > 0 {
				query := url.Values{"because": {strconv.FormatUint(c.Why, 10)}, "fold": {"0"}, "n": {"1000"}}
				if parts["events"], err = s.client.get(ctx, "events.json", query, &led); err != nil {
					return err
				}
			}
			var running *view.Goroutines
			if stacks {
				if parts["goroutines"], err = s.client.get(ctx, "goroutines", url.Values{"path": {c.Node.Path}}, &running); err != nil {
					return err
				}
			}
			if s.json {
				text, err := json.Marshal(parts)
				if err != nil {
					return s.client.noPage()
				}
				s.printf("%s\n", safeJSON(text))
			} else {
				slices.Reverse(led.Events)
				s.explain(c, led.Events)
				if stacks {
					s.printPanic(c.Panic, c.Now)
					s.printGoroutines("Its goroutines", running)
				}
			}
			if ill(c.Node) {
				return errTrouble
			}
			return nil
		},
	}
}

// child reads the view of the child at PATH.
func (s *session) child(ctx context.Context) (*view.Child, json.RawMessage, error) {
	var c view.Child
	raw, err := s.client.get(ctx, "child", url.Values{"path": {s.path}}, &c)
	if err == nil && c.Node == nil {
		err = s.client.noPage()
	}
	return &c, raw, err
}

// explain prints what is known about a child, and the events that led to its state.
func (s *session) explain(c *view.Child, led []view.Event) {
	verb, words := is(c.Node.Look)
	s.print(line{{clean(c.Node.Path), bold}, {verb, plain}, {words, lookStyle(c.Node.Look, c.Node.Trouble)}})
	if c.Say != "" {
		s.paragraph("", plain, clean(c.Say))
	}
	for _, l := range lines(c.Error) {
		s.printf("  %s\n", l)
	}
	s.printf("\nWhat led to it\n")
	if len(led) == 0 {
		s.printf("  The observer remembers no event that explains it.\n")
	}
	for i := range led {
		if from := led[i].Because; from > 0 && (i == 0 || led[i-1].Seq != from) {
			s.printf("  … event #%d has been forgotten\n", from)
		}
		s.print(append(line{{"  ", plain}}, eventLine(&led[i], c.Now)...))
	}
	if h := c.History; h != nil && h.Failures > 0 {
		s.paragraph("  ", plain, counted(h.Failures, "failure", "failures")+" since "+clock(h.First, c.Now)+". The first: "+clean(h.FirstText))
	}
	if len(c.Next) > 0 {
		s.printf("\nWhat comes next\n")
	}
	for _, n := range c.Next {
		label := "  "
		if !n.At.IsZero() {
			label += "in " + until(n.At, c.Now) + ": "
		}
		s.paragraph(label, plain, clean(n.Text))
	}
	if len(c.Acts) > 0 {
		s.printf("\nWhat you can do\n")
	}
	for _, a := range c.Acts {
		s.paragraph("  "+pad(clean(string(a.Action)), 7)+"  ", plain, clean(a.Text))
	}
}

// printPanic prints the last panic of a child.
func (s *session) printPanic(p *view.Panic, now time.Time) {
	if p == nil {
		return
	}
	s.printf("\nIts last panic, run %d at %s\n", p.Run, clock(p.At, now))
	for _, text := range []string{p.Text, p.Stack} {
		for _, l := range lines(text) {
			s.printf("  %s\n", l)
		}
	}
}

// printGoroutines prints stacks under a title.
func (s *session) printGoroutines(title string, g *view.Goroutines) {
	if g == nil {
		return
	}
	s.printf("\n%s\n", title)
	switch {
	case g.Labeled == 0:
		s.printf("  Not known: the program does not set supervisor.Spec.Around to observer.Label.\n")
	case len(g.Stacks) == 0:
		s.printf("  None.\n")
	}
	for _, st := range g.Stacks {
		s.printf("  %s of %s\n", counted(st.N, "goroutine", "goroutines"), clean(st.Path))
		for _, l := range lines(st.Stack) {
			s.printf("    %s\n", l)
		}
	}
	if g.More > 0 {
		s.printf("  %s\n", counted(g.More, "more stack", "more stacks"))
	}
}
