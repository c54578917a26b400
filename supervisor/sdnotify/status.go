package sdnotify

import (
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/vitals"
	"github.com/coppice-go/coppice/supervisor"
)

// Bounds of a status: systemd drops messages of more than 4096 bytes.
const (
	maxNamed  = 3   // children that are not well, and children that say something
	maxItem   = 150 // bytes
	maxStatus = 1000
)

// describe returns the text of STATUS: one line.
func (w *watcher) describe(st child.Status) string {
	if w.phase == ended {
		if st.LastError != nil {
			return vitals.Line("ended: "+vitals.Line(st.LastError, maxStatus), maxStatus)
		}
		return "ended"
	}
	tree := w.root.Tree()
	parts := []string{count(tree)}
	if w.phase != up {
		parts[0] = w.phase.String() + ", " + parts[0]
	}
	if w.hungry != nil {
		parts = append(parts, "watchdog not fed: "+vitals.Line(w.hungry, maxItem))
	}
	if w.phase < stopping { // otherwise every child is about to be
		parts = append(parts, unwell(w.root.Health())...)
	}
	return vitals.Line(strings.Join(append(parts, said(tree)...), "; "), maxStatus)
}

// count returns the number of children in each state, such as "12 running, 1 waiting".
// Supervisors and children that are done do not count.
func count(tree supervisor.Tree) string {
	names := [...]string{"running", "unready", "starting", "waiting", "stopping", "stopped"}
	var n [len(names)]int
	for st := range tree.All() {
		switch {
		case st.Supervisor:
		case st.State == child.Running && st.Unready == nil:
			n[0]++
		case st.State == child.Running:
			n[1]++
		case st.State == child.Starting:
			n[2]++
		case st.State == child.Waiting:
			n[3]++
		case st.State == child.Stopping:
			n[4]++
		case st.State == child.Stopped:
			n[5]++
		}
	}
	var parts []string
	for i, name := range names {
		if n[i] > 0 {
			parts = append(parts, fmt.Sprint(n[i], " ", name))
		}
	}
	if len(parts) == 0 {
		return "no children"
	}
	return strings.Join(parts, ", ")
}

// unwell returns the first lines of Health.
func unwell(health error) (parts []string) {
	joined, ok := health.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	all := joined.Unwrap()
	for _, err := range all[:min(len(all), maxNamed)] {
		parts = append(parts, vitals.Line(err, maxItem))
	}
	if more := len(all) - maxNamed; more > 0 {
		parts = append(parts, fmt.Sprint(more, " more not ready"))
	}
	return parts
}

// said returns what the first children say of themselves with ctx.Status.
func said(tree supervisor.Tree) (parts []string) {
	for st := range tree.All() {
		if st.Text != "" && st.Path != tree.Path {
			parts = append(parts, vitals.Line(st.Path+": "+st.Text, maxItem))
		}
		if len(parts) == maxNamed {
			break
		}
	}
	return parts
}
