package observer

import (
	"fmt"

	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/supervisor"
)

// stoppedByHand counts the declared children that Health misses although they are not in
// trouble.
func (m *model) stoppedByHand() (n int) {
	for i := range m.items {
		if it := &m.items[i]; it.look == wellness.Stopped && !it.dynamic && !it.tree.Declined {
			n++
		}
	}
	return n
}

// verdict is the sentence about the whole tree.
func (m *model) verdict() string {
	root := &m.items[0]
	s := m.supers[0]
	n := 0
	if s != nil {
		n = s.all
	}
	stopped := ""
	if s != nil && s.counts[string(wellness.Stopped)] > 0 {
		stopped = fmt.Sprintf(" %s stopped.", are(s.counts[string(wellness.Stopped)]))
	}
	switch m.state {
	case view.Down:
		switch {
		case root.tree.GaveUp:
			return "The root gave up. Nothing runs any more."
		case root.tree.LastError != nil:
			return "The root has ended with an error. Nothing runs any more."
		}
		return "The root does not run."
	case view.Stopping:
		if m.draining {
			return "The root is draining: it runs for now, and then stops."
		}
		return "The root is stopping."
	case view.Starting:
		return "The root is starting: not all declared children have been ready yet."
	case view.Well:
		switch down := m.stoppedByHand(); {
		case n == 0:
			return "It has no children."
		case down > 0:
			return fmt.Sprintf("No declared child is in trouble, but %s stopped, so the tree is not ready.", are(down))
		case s.trouble > 0:
			return fmt.Sprintf("All declared children are as they should be; of the others, %s in trouble.%s", are(s.trouble), stopped)
		}
		if n == 1 {
			return "Its one child is as it should be." + stopped
		}
		return fmt.Sprintf("All %s children are as they should be.%s", count(n), stopped)
	}
	if s.trouble == 0 {
		return "The root itself is in trouble."
	}
	if n == 1 {
		return "Its one child is in trouble."
	}
	verb := "are"
	if s.trouble == 1 {
		verb = "is"
	}
	return fmt.Sprintf("%s of %s %s in trouble.", count(s.trouble), plural(n, "child", "children"), verb)
}

// worstOf says when the root gives up.
func (m *model) worstOf(it *item, f supervisor.Forecast) *view.Worst {
	root := m.items[0].tree.Path
	left := ""
	if f.Left >= 0 {
		left = fmt.Sprintf(" %s more", plural(f.Left+1, "time", "times"))
	}
	return &view.Worst{Path: it.tree.Path, At: f.Ends, Left: f.Left, Text: fmt.Sprintf(
		"If %s fails%s, %s gives up, at %s at the earliest, and the process ends.", it.tree.Path, left, root, clock(f.Ends, m.at))}
}

// deadline is the short form of that, for a list.
func (m *model) deadline(f supervisor.Forecast) string {
	left := ""
	if f.Left >= 0 {
		left = fmt.Sprintf("after %s, ", plural(f.Left+1, "more failure", "more failures"))
	}
	return fmt.Sprintf("ends the process %s%s at the earliest", left, clock(f.Ends, m.at))
}

// safeBeforeEnd says how an operator prevents the end of the root.
func safeBeforeEnd(m *model, i int32) string {
	path := m.items[i].tree.Path
	if s := m.supers[i]; s != nil {
		return fmt.Sprintf("Stop %s: its %s stop with it, and the process lives on.", path, plural(s.all, "child", "children"))
	}
	return fmt.Sprintf("Stop %s: nothing else stops with it, and the process lives on.", path)
}
