package main

import (
	"context"
	"encoding/json"
	"flag"
	"net/url"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/internal/view"
)

// pageSize is how many children are asked for at once: the most that the server gives.
const pageSize = 500

func treeCommand() *command {
	var (
		at           string
		all, trouble bool
	)
	return &command{
		name: "tree", url: needed, path: optional, timeout: readTimeout,
		short: "what runs, and how it is",
		long: `
Prints the tree, or what is below PATH: a line for each child with its state, for how
long it has been in it, its restarts, and what it says. Many leaves that are alike are
one line, unless -all is set. On a terminal, lines are cut to its width.

-at shows the tree as it was at a moment that the observer still remembers. TIME is
15:04:05 of the last 24 hours, an RFC 3339 time, or how long ago, such as 5m. A state that
was inferred from later events has a question mark. If the moment is before the observer's
memory begins, the error says since when it remembers, and the exit status is 2.

-json prints the tree as the server sent it. With -all it prints one JSON object a line
for each child.

The exit status is 1 if something is not well.`,
		flags: func(f *flag.FlagSet) {
			f.StringVar(&at, "at", "", "show the tree as it was at this `time`")
			f.BoolVar(&all, "all", false, "show each child")
			f.BoolVar(&trouble, "trouble", false, "show only what is in trouble")
		},
		run: func(ctx context.Context, s *session) error {
			query := url.Values{}
			if s.path != "" {
				query.Set("path", s.path)
			}
			if at != "" {
				moment, err := s.moment(ctx, at)
				if err != nil {
					return err
				}
				query.Set("at", moment.Format(time.RFC3339Nano))
			}
			if all && s.json {
				return s.childrenAsJSON(ctx, query, trouble)
			}
			var tree view.Tree
			raw, err := s.client.get(ctx, "tree.json", query, &tree)
			if err != nil {
				return err
			}
			if tree.Tree == nil {
				return s.client.noPage()
			}
			if s.json {
				s.printf("%s\n", raw)
				return wellness(&tree.Head, tree.Tree, s.path != "")
			}
			if all {
				if err := s.unfold(ctx, tree.Tree, query); err != nil {
					return err
				}
			}
			s.printTree(&tree, all, trouble)
			return wellness(&tree.Head, tree.Tree, s.path != "")
		},
	}
}

// printTree prints the verdict and the tree.
func (s *session) printTree(tree *view.Tree, all, trouble bool) {
	now := shownAt(&tree.Head)
	s.print(verdict(&tree.Head))
	how := drawing{all: all}
	if trouble {
		how.hide = 1
	}
	columns, _ := s.screen.size()
	s.print(table(rowsOf(tree.Tree, now, how), columns)...)
}

// shownAt returns the moment that an answer shows.
func shownAt(h *view.Head) time.Time {
	if h.At.IsZero() {
		return h.Now
	}
	return h.At
}

// verdict is the first line of tree, top and watch.
func verdict(h *view.Head) line {
	l := line{{clean(h.Name), bold}, {": ", plain}, {clean(string(h.State)), stateStyle(h.State)}}
	if !h.At.IsZero() {
		l = line{{clean(h.Name), bold}, {" at " + clock(h.At, h.Now) + ", " + short(h.Now.Sub(h.At)) + " ago: ", plain},
			{clean(string(h.State)), stateStyle(h.State)}}
	} else if !h.Since.IsZero() {
		l = append(l, span{" for " + age(h.Since, h.Now), plain})
	}
	if h.Say != "" {
		l = append(l, span{". " + clean(h.Say), plain})
	}
	return l
}

// wellness returns the error for the exit status: that of the whole tree, or that of a
// part of it.
func wellness(h *view.Head, n *view.Node, part bool) error {
	if part && !ill(n) || !part && h.State == view.Well {
		return nil
	}
	return errTrouble
}

// ill reports whether a child, or a declared child below it, is in trouble. Dynamic
// children come and go; if too many of them are in trouble, their supervisor is degraded.
func ill(n *view.Node) bool {
	if n.Trouble > 1 || n.Degraded {
		return true
	}
	for _, c := range n.Children {
		if !c.Dynamic && ill(c) {
			return true
		}
	}
	for _, f := range n.Folds {
		if !f.Dynamic && f.Trouble > 1 {
			return true
		}
	}
	return false
}

// unfold replaces the folds of a tree by the children in them.
func (s *session) unfold(ctx context.Context, n *view.Node, query url.Values) error {
	inTree := n.Children // only these have something below them
	if n.Paged {
		known := map[string]*view.Node{}
		for _, c := range inTree {
			known[c.Path] = c
		}
		n.Children, n.Folds = nil, nil
		query := url.Values{"path": {n.Path}, "at": query["at"]}
		err := s.children(ctx, query, func(text json.RawMessage) error {
			var c *view.Node
			if err := json.Unmarshal(text, &c); err != nil || c == nil {
				return s.client.noPage()
			}
			if k := known[c.Path]; k != nil {
				c = k
			}
			n.Children = append(n.Children, c)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, c := range inTree {
		if err := s.unfold(ctx, c, query); err != nil {
			return err
		}
	}
	return nil
}

// childrenAsJSON prints a line for each child of the whole tree.
func (s *session) childrenAsJSON(ctx context.Context, query url.Values, trouble bool) error {
	if s.path != "" {
		return usageError("-all with -json prints the whole tree: leave out PATH")
	}
	var tree view.Causes
	if _, err := s.client.get(ctx, "causes.json", query, &tree); err != nil {
		return err
	}
	if trouble {
		query.Set("trouble", "1")
	}
	err := s.children(ctx, query, func(text json.RawMessage) error {
		s.printf("%s\n", text)
		return nil
	})
	if err != nil {
		return err
	}
	return wellness(&tree.Head, nil, false)
}

// children reads children.json page by page and calls each with every row.
func (s *session) children(ctx context.Context, query url.Values, each func(json.RawMessage) error) error {
	query.Set("n", strconv.Itoa(pageSize))
	for seen := map[string]bool{}; ; {
		var page struct {
			Children []json.RawMessage `json:"children"`
			Next     string            `json:"next"`
		}
		if _, err := s.client.get(ctx, "children.json", query, &page); err != nil {
			return err
		}
		for _, text := range page.Children {
			if err := each(text); err != nil {
				return err
			}
		}
		switch {
		case page.Next == "":
			return nil
		case seen[page.Next]:
			return reachError("%s: children.json leads back to a page that was read already", s.client.target)
		}
		seen[page.Next] = true
		query.Set("cursor", page.Next)
	}
}

// moment parses the time of -at. What is relative to now counts from the clock of the
// server.
func (s *session) moment(ctx context.Context, text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	ago, agoErr := time.ParseDuration(text)
	of, ofErr := time.Parse("15:04:05", text)
	if ofErr != nil {
		of, ofErr = time.Parse("15:04", text)
	}
	if agoErr != nil && ofErr != nil {
		return time.Time{}, usageError("-at %q: give 15:04:05, an RFC 3339 time such as 2006-01-02T15:04:05Z, or how long ago, such as 5m", text)
	}
	var now view.Causes
	if _, err := s.client.get(ctx, "causes.json", nil, &now); err != nil {
		return time.Time{}, err
	}
	if agoErr == nil {
		return now.Now.Add(-max(ago, -ago)), nil
	}
	day := now.Now.Local()
	t := time.Date(day.Year(), day.Month(), day.Day(), of.Hour(), of.Minute(), of.Second(), 0, time.Local)
	if t.After(now.Now) {
		t = time.Date(day.Year(), day.Month(), day.Day()-1, of.Hour(), of.Minute(), of.Second(), 0, time.Local)
	}
	return t, nil
}
