package main

import (
	"context"
	"encoding/json"
	"flag"
	"net/url"
	"slices"

	"github.com/coppice-go/coppice/internal/view"
)

func dumpCommand() *command {
	force := false
	return &command{
		name: "dump", url: needed, path: optional, timeout: readTimeout,
		short: "all of it, for a report: tree, causes, events, goroutines",
		long: `
Prints what the server knows, to keep or to send: what is wrong, each child, the last
1,000 events that the observer remembers, and the stacks of the goroutines by child. With
PATH it prints the children, events and goroutines below it alone.

A server with more than 100,000 goroutines refuses to read their stacks unless -force is
set, because that takes a CPU for about a second. Without them, the rest is printed, and
a line says why they are missing.

-json prints an object with the fields "tree", "children", "events" and "goroutines", as
the server sent them. "children" has those that are folded in "tree".

The exit status is 1 if something is not well.`,
		flags: func(f *flag.FlagSet) {
			f.BoolVar(&force, "force", false, "read the stacks of more than 100,000 goroutines")
		},
		run: func(ctx context.Context, s *session) error {
			parts := map[string]json.RawMessage{}
			read := func(name, from string, query url.Values, v any) error {
				if s.path != "" {
					query.Set("path", s.path)
				}
				text, err := s.client.get(ctx, from, query, v)
				if err == nil {
					parts[name] = text
				}
				return err
			}
			var tree view.Tree
			if err := read("tree", "tree.json", url.Values{}, &tree); err != nil {
				return err
			}
			if tree.Tree == nil {
				return s.client.noPage()
			}
			if s.path != "" {
				s.path = tree.Tree.Path // in full
			}
			var events view.Events
			if err := read("events", "events.json", url.Values{"n": {"1000"}, "fold": {"0"}}, &events); err != nil {
				return err
			}
			query := url.Values{"path": {tree.Tree.Path}}
			if force {
				query.Set("force", "1")
			}
			var running view.Goroutines
			missing := read("goroutines", "goroutines", query, &running)

			if s.json {
				if err := s.dumpJSON(ctx, &tree, parts); err != nil {
					return err
				}
			} else if err := s.dumpText(ctx, &tree, events.Events, &running, missing); err != nil {
				return err
			}
			if missing != nil {
				s.warnf("coppice: without goroutines: %v", missing)
			}
			return wellness(&tree.Head, tree.Tree, s.path != "")
		},
	}
}

// dumpJSON prints the parts, and the children of each supervisor whose children the tree
// has folded.
func (s *session) dumpJSON(ctx context.Context, tree *view.Tree, parts map[string]json.RawMessage) error {
	rows := []json.RawMessage{}
	for _, n := range paged(tree.Tree, nil) {
		err := s.children(ctx, url.Values{"path": {n.Path}}, func(text json.RawMessage) error {
			rows = append(rows, text)
			return nil
		})
		if err != nil {
			return err
		}
	}
	var err error
	if parts["children"], err = json.Marshal(rows); err != nil {
		return s.client.noPage()
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return s.client.noPage()
	}
	s.printf("%s\n", safeJSON(text))
	return nil
}

// paged appends the supervisors whose children the tree has folded.
func paged(n *view.Node, to []*view.Node) []*view.Node {
	if n.Paged {
		to = append(to, n)
	}
	for _, c := range n.Children {
		to = paged(c, to)
	}
	return to
}

// dumpText prints the parts as text.
func (s *session) dumpText(ctx context.Context, tree *view.Tree, events []view.Event, running *view.Goroutines, missing error) error {
	h := &tree.Head
	s.printf("%s\n", h.Now.Local().Format("2006-01-02 15:04:05.000 -0700"))
	for _, fact := range [][2]string{
		{"host", h.Host}, {"version", h.Version}, {"go", h.Go}, {"goroutines", count(h.Goroutines)},
		{"heap", count(h.Heap>>20) + " MB"}, {"up for", age(h.Started, h.Now)},
		{"coppice", version()},
	} {
		if fact[1] != "" {
			s.printf("%s %s\n", pad(fact[0], 10), clean(fact[1]))
		}
	}
	s.printf("\n")
	s.printCauses(h)
	s.printf("\nChildren\n")
	if err := s.unfold(ctx, tree.Tree, url.Values{}); err != nil {
		return err
	}
	s.print(table(rowsOf(tree.Tree, h.Now, drawing{all: true}), 0)...)
	s.printf("\nEvents\n")
	slices.Reverse(events)
	for i := range events {
		s.print(eventLine(&events[i], h.Now))
	}
	if missing == nil {
		s.printGoroutines("Goroutines", running)
	}
	return nil
}
