package main

import (
	"context"
	"encoding/json"
	"flag"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

func topCommand() *command {
	n := 10
	return &command{
		name: "top", url: needed, timeout: readTimeout,
		short: "what is wrong, worst first, and who restarts most",
		long: `
Prints the causes of trouble: errors that differ only in numbers and addresses are one
cause. What ends the process soonest comes first, then what most children suffer from.
For each cause it prints where it began, what the tree does about it, what comes next,
and what can be done safely. Then it prints what has recovered in the last hour, and the
children with the most restarts.

-json prints an object with the fields "causes" and "restarts", as the server sent them.

The exit status is 1 if something is not well.`,
		flags: func(f *flag.FlagSet) {
			f.IntVar(&n, "n", n, "print this `number` of children with the most restarts; at most 500")
		},
		run: func(ctx context.Context, s *session) error {
			if n < 0 || n > pageSize {
				return usageError("-n must be between 0 and %d", pageSize)
			}
			var causes view.Causes
			rawCauses, err := s.client.get(ctx, "causes.json", nil, &causes)
			if err != nil {
				return err
			}
			var most view.Children
			query := url.Values{"sort": {"restarts"}, "n": {strconv.Itoa(max(n, 1))}}
			rawMost, err := s.client.get(ctx, "children.json", query, &most)
			if err != nil {
				return err
			}
			if s.json {
				text, err := json.Marshal(map[string]json.RawMessage{"causes": rawCauses, "restarts": rawMost})
				if err != nil {
					return s.client.noPage()
				}
				s.printf("%s\n", safeJSON(text))
			} else {
				s.printCauses(&causes.Head)
				s.printRestarts(most.Children[:min(n, len(most.Children))], causes.Now)
			}
			return wellness(&causes.Head, nil, false)
		},
	}
}

// printCauses prints the verdict, the causes and what has recovered.
func (s *session) printCauses(h *view.Head) {
	s.print(verdict(h))
	if h.Before != "" {
		s.paragraph("", plain, clean(h.Before))
	}
	if h.Worst != nil {
		s.paragraph("", bad, clean(h.Worst.Text))
	}
	for _, c := range h.Causes {
		s.printf("\n")
		s.printCause(&c, h.Now)
	}
	if h.MoreCauses > 0 {
		s.printf("\n%s\n", counted(h.MoreCauses, "more cause", "more causes"))
	}
	if len(h.Recovered) > 0 {
		s.printf("\nRecovered in the last hour\n")
	}
	for _, r := range h.Recovered {
		parts := []string{clean(r.Path)}
		if r.Paths > 1 {
			parts[0] += " and " + count(r.Paths-1) + " more"
		}
		parts = append(parts, clean(r.Text), counted(r.N, "failure", "failures"), outage(r.Down))
		if r.With != "" {
			parts = append(parts, "with "+clean(r.With))
		}
		s.paragraph("  ", plain, strings.Join(parts, ", ")+"; well for "+age(r.At, h.Now))
	}
}

// outage says how long something was down, in the words of the page.
func outage(d time.Duration) string {
	if d < 100*time.Millisecond {
		return "down for a moment"
	}
	return "down " + short(d)
}

// printCause prints a cause in several lines.
func (s *session) printCause(c *view.Cause, now time.Time) {
	st := lookStyle(c.Look, c.Trouble)
	s.paragraph(pad(count(c.N), 7)+" ", st, clean(c.Text))
	where := clean(c.Path)
	if c.Also != "" {
		where += " and " + clean(c.Also)
	}
	parts := []string{where}
	if !c.First.IsZero() {
		parts = append(parts, "since "+clock(c.First, now), "last "+age(c.Last, now)+" ago")
	}
	if c.Seen > 0 {
		parts = append(parts, counted(c.Seen, "failure", "failures"))
	}
	s.paragraph("        ", plain, strings.Join(parts, ", "))
	for _, said := range []struct {
		label, text string
		style       style
	}{{"ends", c.Deadline, bad}, {"does", c.Doing, plain}, {"next", c.Next, plain}, {"you can", c.Safe, plain}} {
		if said.text != "" {
			s.paragraph("        "+pad(said.label, 8), said.style, clean(said.text))
		}
	}
}

// printRestarts prints the children that have been restarted, the most often first.
func (s *session) printRestarts(children []*view.Node, now time.Time) {
	var rows []*view.Node
	most, paths, states := len("RESTARTS"), len("PATH"), len("STATE")
	for _, c := range children {
		if c == nil || c.Restarts == 0 {
			continue
		}
		rows = append(rows, c)
		most = max(most, width(count(c.Restarts)))
		paths, states = max(paths, width(clean(c.Path))), max(states, width(lookWord(c.Look)))
	}
	if len(rows) == 0 {
		return
	}
	s.printf("\n")
	columns, _ := s.screen.size()
	all := []line{{{pad("", most-len("RESTARTS")) + "RESTARTS  " + pad("PATH", paths) + "  " + pad("STATE", states) + "  LAST ERROR", dim}}}
	for _, c := range rows {
		last := ""
		if c.LastError != "" {
			last = clean(c.LastError)
			if !c.LastErrorAt.IsZero() {
				last += ", " + age(c.LastErrorAt, now) + " ago"
			}
		}
		n, path, word := count(c.Restarts), clean(c.Path), lookWord(c.Look)
		all = append(all, line{{pad("", most-width(n)) + n + "  " + pad(path, paths) + "  ", plain},
			{word, lookStyle(c.Look, c.Trouble)}, {pad("", states-width(word)) + "  " + last, plain}})
	}
	for _, l := range all {
		if columns > 0 {
			l = l.cut(columns)
		}
		s.print(l)
	}
}
