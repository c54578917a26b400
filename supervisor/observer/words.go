package observer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The sentences of an observer are made here, so that the page and the command say the
// same. They say only what follows from the specs and from the states. Where nothing
// follows, there is no sentence.

// clock formats a moment, with the date if it is not within a day of another.
func clock(t, now time.Time) string {
	if d := t.Sub(now); d > 20*time.Hour || d < -20*time.Hour {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format("15:04:05")
}

// count formats a number with commas.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural returns "1 child" or "2 children".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

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

// are returns "1 is" or "2 are".
func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return count(n) + " are"
}

// sentences says what the tree does about a group, what comes next, and what can be done.
//
// If the members look different, it says what most of them do, after a list.
func sentences(m *model, g *group, ask asker, f supervisor.Forecast) (doing, next, safe string) {
	most, looks := m.byLook(g)
	if len(looks) == 1 {
		return m.sentences(g, g.worst, len(g.members), ask, f)
	}
	_, next, safe = m.sentences(g, most, looks[m.items[most].look], ask, f)
	return m.list(looks), next, safe
}

// byLook counts the members of a group by look, and returns one of those that are most.
func (m *model) byLook(g *group) (most int32, looks map[wellness.Look]int) {
	looks = map[wellness.Look]int{}
	for _, i := range g.members {
		looks[m.items[i].look]++
	}
	most = g.worst
	for _, i := range g.members {
		if looks[m.items[i].look] > looks[m.items[most].look] {
			most = i
		}
	}
	return most, looks
}

// list says how many of a group look how, the most first.
func (m *model) list(looks map[wellness.Look]int) string {
	words := map[wellness.Look]string{
		wellness.Waiting: "waiting for the next start", wellness.Starting: "starting again", wellness.Unready: "running, but not ready",
		wellness.Hung: "stopping after a missed heartbeat", wellness.GaveUp: "down for good", wellness.Stopped: "stopped",
		wellness.Abandoned: "running beside an abandoned run",
	}
	order := slices.SortedFunc(maps.Keys(looks), func(a, b wellness.Look) int {
		return cmp.Or(cmp.Compare(looks[b], looks[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, look := range order {
		parts = append(parts, are(looks[look])+" "+words[look])
	}
	return strings.Join(parts, "; ") + "."
}

// sentences are those of n members of a group that look like the one at index i.
func (m *model) sentences(g *group, i int32, n int, ask asker, f supervisor.Forecast) (doing, next, safe string) {
	worst := &m.items[i]
	s := &worst.tree.Status
	at := func(t time.Time) string { return clock(t, m.at) }
	switch worst.look {
	case wellness.Waiting, wellness.Starting:
		if worst.look == wellness.Starting && s.Restarts == 0 {
			doing = fmt.Sprintf("It has been starting since %s.", at(s.Since))
			if n > 1 {
				doing = fmt.Sprintf("%s have been starting for longer than %v.", count(n), wellness.SlowStart)
			}
			next = "A start may take any time: its StartTimeout is not set."
			if spec, ok := ask.LookupSpec(s.Path); ok && spec.StartTimeout > 0 {
				next = fmt.Sprintf("If %s is not ready by %s, its start has failed.", s.Path, at(s.Since.Add(spec.StartTimeout)))
			}
			if m.supers[i] != nil {
				return doing, next, "Look at the first of its children that is not ready: the start waits for it."
			}
			return doing, next, "Look at its goroutines. A start that needs more than a moment usually lacks a call of Ready."
		}
		if !g.fails {
			return "It waits for its group, or for Resume.", "It starts when its turn comes.", ""
		}
		waiting, starting, first, last := 0, 0, time.Time{}, time.Time{}
		for _, i := range g.members {
			st := &m.items[i].tree.Status
			switch {
			case st.State == child.Starting:
				starting++
			case st.State == child.Waiting:
				waiting++
				if !st.NextStart.IsZero() {
					if first.IsZero() || st.NextStart.Before(first) {
						first = st.NextStart
					}
					if st.NextStart.After(last) {
						last = st.NextStart
					}
				}
			}
		}
		switch {
		case n == 1 && waiting == 1:
			doing = "It waits for its next start." + restarted(s)
		case n == 1:
			doing = fmt.Sprintf("It is starting again, after %s.", plural(s.Restarts, "restart", "restarts"))
		case starting == 0:
			doing = fmt.Sprintf("Each of the %s waits for its own next start.", count(waiting))
		case waiting == 0:
			doing = fmt.Sprintf("All %s are starting again.", count(starting))
		default:
			doing = fmt.Sprintf("%s wait for their next start, %s starting.", count(waiting), are(starting))
		}
		switch {
		case first.IsZero() && waiting > 0:
			next = "The time of the next start is not set yet."
		case first.IsZero():
			next = "Each becomes ready, or fails again."
		case waiting == 1:
			next = fmt.Sprintf("The next start is at %s.", at(first))
		default:
			next = fmt.Sprintf("The next starts are from %s to %s.", at(first), at(last))
		}
		if !f.GivesUp.IsZero() {
			next += " " + givesUp(m, worst, f)
		}
		safe = spared(m, g)
	case wellness.Unready:
		doing = "It is running, but says that it is not ready."
		if n > 1 {
			doing = fmt.Sprintf("%s are running, but say that they are not ready.", count(n))
		}
		next = "A child that is not ready is not restarted: it says so itself when it is ready again."
		safe = spared(m, g)
	case wellness.Hung:
		doing = "It missed its heartbeat and was asked to stop."
		if n > 1 {
			doing = fmt.Sprintf("%s missed their heartbeat and were asked to stop.", count(n))
		}
		switch {
		case s.State == child.Waiting && !s.NextStart.IsZero():
			doing = "It missed its heartbeat and was stopped."
			next = fmt.Sprintf("The next start is at %s.", at(s.NextStart))
		case !s.StopBy.IsZero():
			next = fmt.Sprintf("If %s has not returned by %s, that run is abandoned, and a new one starts.", s.Path, at(s.StopBy))
		default:
			next = "It is waited for without a limit."
		}
		safe = "Look at its goroutines before they are gone."
	case wellness.GaveUp:
		doing = "The supervisor gave up and has stopped its children."
		if worst.parent < 0 {
			return doing, "Serve has returned this error: what the process does with it is its own decision.", ""
		}
		next = "Nothing, until an operator starts it."
		safe = fmt.Sprintf("Start %s.", s.Path)
		if sup := m.supers[i]; sup != nil && sup.kids > 0 { // the children of one that is over are not known
			safe = fmt.Sprintf("Start %s: that starts its %s, and nothing else.", s.Path, plural(sup.kids, "child", "children"))
		}
	case wellness.Abandoned:
		doing = "A new run works. The goroutine of the old one has not returned."
		next = "Go cannot end a goroutine: if it never returns, only a restart of the process frees it."
		safe = "Look at its goroutines to see where it waits."
	case wellness.Stopped:
		doing = "It stays stopped."
		next = "Nothing, until an operator starts it."
		safe = fmt.Sprintf("Start %s.", s.Path)
	}
	return doing, next, safe
}

// givesUp says when the supervisor of a child gives up.
func givesUp(m *model, it *item, f supervisor.Forecast) string {
	sup := m.items[it.parent].tree.Path
	return fmt.Sprintf("If it fails %s more, %s gives up, at %s at the earliest.", plural(f.Left+1, "time", "times"), sup, clock(f.GivesUp, m.at))
}

// spared says what a restart of the supervisor of all members would cost the others.
func spared(m *model, g *group) string {
	if len(g.super) != 1 || len(g.members) < 2 {
		return ""
	}
	for sup, n := range g.super {
		s := m.supers[sup]
		if well := s.kids - n; sup > 0 && well > n {
			return fmt.Sprintf("Do not restart %s: that would also end %s that have nothing to do with it.", m.items[sup].tree.Path, plural(well, "child", "children"))
		}
	}
	return ""
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

// restarted says how often a child has been restarted, after another sentence.
func restarted(s *child.Status) string {
	if s.Restarts == 0 {
		return ""
	}
	return fmt.Sprintf(" It has been restarted %s.", plural(s.Restarts, "time", "times"))
}

// inLine reports whether a child has not run yet, because its supervisor is starting and
// others are first.
func (m *model) inLine(i int32) bool {
	it := &m.items[i]
	s := &it.tree.Status
	if it.parent < 0 || s.State != child.Stopped || s.Run != 0 {
		return false
	}
	up := &m.items[it.parent].tree.Status
	return up.State == child.Starting && !up.Suspended
}

// say is the sentence about what a child does.
func (m *model) say(i int32, by string) string {
	it := &m.items[i]
	s := &it.tree.Status
	since := " since " + clock(s.Since, m.at) + "."
	times := restarted(s)
	switch it.look {
	case wellness.Unready:
		return "It is running, but says that it is not ready." + times
	case wellness.Abandoned:
		verb := "have"
		if s.Abandoned == 1 {
			verb = "has"
		}
		return fmt.Sprintf("It is running. %s did not stop in time and %s not returned yet.", plural(s.Abandoned, "earlier run", "earlier runs"), verb)
	case wellness.Degrades:
		sup := m.supers[i]
		return fmt.Sprintf("It is running, but %s of its %s dynamic children are in trouble.", count(sup.bad), count(sup.dynamic))
	case wellness.Standby:
		return "It has been standing by" + since
	case wellness.Suspended:
		return "It is running, but suspended: nothing is started in it until Resume."
	case wellness.Hung:
		return "It missed its heartbeat and was asked to stop at " + clock(s.Since, m.at) + "." + times
	case wellness.GaveUp:
		return "It gave up at " + clock(s.Since, m.at) + "."
	case wellness.Waiting:
		if s.LastError == nil {
			return "It has been waiting for its group, or for Resume," + since
		}
		return "It waits for its next start." + times
	case wellness.Starting:
		return "It has been starting" + since + times
	case wellness.Stopping:
		return "It has been stopping" + since
	case wellness.Stopped:
		if by != "" {
			return "It was stopped by " + by + " at " + clock(s.Since, m.at) + "."
		}
		if m.inLine(i) {
			return "It has not run yet: its turn comes when those declared before it are ready."
		}
		return "It has been stopped" + since
	case wellness.Done:
		return "It ended at " + clock(s.Since, m.at) + ", and is not restarted."
	}
	if sup := m.supers[i]; sup != nil && sup.trouble > 0 {
		return "It has been running" + since + fmt.Sprintf(" Below it, %s in trouble.", are(sup.trouble))
	}
	return "It has been running" + since + times
}

// follows says what comes next for a child.
func (m *model) follows(i int32, by string, ask asker) []view.Next {
	it := &m.items[i]
	s := &it.tree.Status
	all := []view.Next{}
	say := func(at time.Time, format string, args ...any) {
		all = append(all, view.Next{At: at, Text: fmt.Sprintf(format, args...)})
	}
	spec, known := ask.LookupSpec(s.Path)
	switch {
	case it.parent < 0:
		switch m.state {
		case view.Down:
			say(time.Time{}, "Nothing: the root has ended.")
		case view.Stopping:
			say(time.Time{}, "Its children stop in order. Then it ends.")
		default:
			say(time.Time{}, "If it gives up, its children stop in order, Serve returns the error, and the process decides.")
		}
	case s.State == child.Waiting:
		if s.NextStart.IsZero() {
			say(time.Time{}, "It starts when its turn comes.")
		} else {
			say(s.NextStart, "It starts%s.", m.with(i))
		}
		if f, ok := ask.Forecast(s.Path); ok {
			if !f.GivesUp.IsZero() && (f.Ends.IsZero() || it.parent != 0) {
				say(f.GivesUp, "%s", givesUp(m, it, f))
			}
			if !f.Ends.IsZero() {
				say(f.Ends, "%s", m.worstOf(it, f).Text)
			}
		}
	case s.State == child.Stopping:
		if s.StopBy.IsZero() {
			say(time.Time{}, "It is waited for without a limit.")
		} else {
			say(s.StopBy, "If it has not returned, that run is abandoned.")
		}
		if s.Hung {
			say(time.Time{}, "Then it is restarted%s.", m.with(i))
		}
	case s.State == child.Starting:
		if known && spec.StartTimeout > 0 {
			say(s.Since.Add(spec.StartTimeout), "If it is not ready, its start has failed.")
		} else {
			say(time.Time{}, "It becomes ready, or fails. Its start may take any time.")
		}
	case it.look == wellness.Unready:
		say(time.Time{}, "It says itself when it is ready again: a child that is not ready is not restarted.")
	case m.inLine(i) && by == "":
		say(time.Time{}, "It starts when those declared before it are ready.")
	case s.State == child.Stopped || s.State == child.Done:
		say(time.Time{}, "Nothing, until an operator or its group starts it.")
	default:
		switch s.Restart {
		case child.Temporary:
			say(time.Time{}, "When it ends, it is removed.")
		case child.Transient:
			say(time.Time{}, "If it fails, it is restarted%s%s. If it ends without a failure, it is done.", m.pause(i, spec, ask), m.with(i))
		default:
			say(time.Time{}, "When it ends, it is restarted%s%s.", m.pause(i, spec, ask), m.with(i))
		}
	}
	return all
}

// pause says whether a restart comes after a backoff.
func (m *model) pause(i int32, spec child.Spec, ask asker) string {
	if hasBackoff(m.items[m.items[i].parent].tree.Path, spec, ask) {
		return " after its backoff"
	}
	return " at once"
}

// hasBackoff reports whether a child of the supervisor at a path has a backoff.
func hasBackoff(above string, spec child.Spec, ask asker) bool {
	if spec.Backoff != nil {
		return true
	}
	of, ok := ask.supervisorSpec(above)
	return ok && of.Backoff != nil
}

// with says which siblings are restarted with a child.
func (m *model) with(i int32) string {
	others, _ := m.companions(i)
	switch n := len(others); {
	case n == 0:
		return ", alone"
	case n <= mostWith:
		text := ", and with it "
		for j, o := range others {
			switch {
			case j > 0 && j == n-1:
				text += " and "
			case j > 0:
				text += ", "
			}
			text += valid(m.items[o].tree.Name, view.MaxText)
		}
		return text
	default:
		return fmt.Sprintf(", and with it %s others", count(n))
	}
}

// companions returns the siblings that are restarted with a child that fails. Temporary
// ones are removed instead; they are returned too, since they end with it.
func (m *model) companions(i int32) (others []int32, sup int32) {
	sup = m.items[i].parent
	if sup < 0 {
		return nil, sup
	}
	kind := m.items[sup].tree.Strategy
	if kind != strategy.OneForAll && kind != strategy.RestForOne {
		return nil, sup
	}
	for k := sup + 1; k < m.items[sup].end; k = m.items[k].end {
		if k == i || kind == strategy.RestForOne && k < i {
			continue
		}
		others = append(others, k)
	}
	return others, sup
}
