package supervisor

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// Fits returns nil if a stop is always over within a grace period, such as the
// terminationGracePeriodSeconds of a Kubernetes pod or the TimeoutStopSec of a systemd unit.
// Otherwise the error says how long a stop may take, and what to change. No stop fits a grace
// period of zero or less.
func (e Explanation) Fits(grace time.Duration) error {
	if grace <= 0 {
		return fmt.Errorf("%s: no stop fits a grace period of %v: give a positive one", oneline.Text(e.Path), grace)
	}
	if e.LongestStop < grace {
		return nil
	}
	var lower []string
	bounded := false
	for _, p := range e.StopParts {
		if p.Time >= e.StopParts[0].Time/2 { // the others would not help much
			lower = append(lower, p.String())
		}
		bounded = bounded || p == Part{e.Path, p.Time, settingStop}
	}
	if !bounded {
		lower = append(lower, "set Spec.StopTimeout")
	}
	text := fmt.Sprintf("%s: a stop may take %v, and must take less than %v", oneline.Text(e.Path), e.LongestStop, grace)
	if e.LongestStop == child.Forever {
		text = fmt.Sprintf("%s: a stop has no limit, and must take less than %v", oneline.Text(e.Path), grace)
	}
	return fmt.Errorf("%s: lower %s", text, strings.Join(lower, ", or "))
}

// String returns the setting and its value in one line: "StopTimeout of /shop/api (20s)".
func (p Part) String() string {
	value := "no limit"
	if p.Time != child.Forever {
		value = p.Time.String()
	}
	return fmt.Sprintf("%s of %s (%s)", p.Setting, oneline.Text(p.Path), value)
}

// String returns the explanation as text: a paragraph for each supervisor, with a line for
// each child. Children in a row that differ only in their names share a line.
func (e Explanation) String() string {
	var text strings.Builder
	e.write(&text)
	return text.String()
}

func (e *Explanation) write(text *strings.Builder) {
	limit := ""
	if e.limitsRestarts() {
		limit = ", at most " + rules.Restarts(e.Intensity)
	}
	fmt.Fprintf(text, "%s: %v%s\n", oneline.Text(e.Path), e.Strategy, limit)
	fmt.Fprintf(text, "  stop:  %s\n", lasts(e.LongestStop, e.StopParts))
	fmt.Fprintf(text, "  start: %s\n", lasts(e.LongestStart, e.StartParts))
	for i := 0; i < len(e.Children); {
		same, says := 1, e.Children[i].sentence()
		for i+same < len(e.Children) && e.Children[i+same].Supervisor == nil && e.Children[i].Supervisor == nil && e.Children[i+same].sentence() == says {
			same++
		}
		names := firstFew(e.Children[i:i+same], ", ", func(c ChildExplanation) string { return oneline.Text(c.Path) })
		fmt.Fprintf(text, "  %s: %s\n", names, says)
		i += same
	}
	for i := range e.Children {
		if below := e.Children[i].Supervisor; below != nil {
			text.WriteByte('\n')
			below.write(text)
		}
	}
}

// limitsRestarts reports whether any restarts count towards the limit: those of children
// without a backoff.
func (e *Explanation) limitsRestarts() bool {
	for i := range e.Children {
		if c := &e.Children[i]; len(c.With) > 0 && len(c.Delays) == 0 {
			return true
		}
	}
	return false
}

// lasts describes a longest time.
func lasts(d time.Duration, parts []Part) string {
	text := "at once"
	switch {
	case d == child.Forever:
		text = "no limit"
	case d > 0:
		text = "at most " + d.String()
	}
	if len(parts) == 0 || d == 0 {
		return text
	}
	var by []string
	for _, p := range parts {
		by = append(by, p.String())
	}
	return text + ": " + strings.Join(by, ", ")
}

// String returns the explanation of the child in one line.
func (c ChildExplanation) String() string { return oneline.Text(c.Path) + ": " + c.sentence() }

// sentence describes the child without its path.
func (c *ChildExplanation) sentence() string {
	parts := []string{c.restarts()}
	if len(c.With) > 0 {
		parts = append(parts, c.pauses(), c.outcome())
	}
	if c.LongestStop == child.Forever {
		parts = append(parts, "stops without a limit")
	} else {
		parts = append(parts, fmt.Sprintf("stops within %v", c.LongestStop))
	}
	return strings.Join(parts, "; ")
}

func (c *ChildExplanation) restarts() string {
	when := map[child.Restart]string{
		child.Permanent: "restarted always", child.Transient: "restarted after a failure", child.Temporary: "never restarted",
	}[c.Restart]
	own := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
	var others []string
	for _, name := range c.With {
		if len(others) > mostNamed {
			break
		}
		if name != own {
			others = append(others, name)
		}
	}
	switch {
	case len(c.With) == 0:
		return when
	case len(c.With) == 1:
		return when + ", alone"
	case len(c.With)-1 > mostNamed:
		return fmt.Sprintf("%s, with %s and %d more", when, strings.Join(others[:mostNamed], ", "), len(c.With)-1-mostNamed)
	}
	return when + ", with " + strings.Join(others, ", ")
}

// pauses describes the delays: "after 100ms, 200ms, 400ms, then 500ms each time".
func (c *ChildExplanation) pauses() string {
	n := len(c.Delays)
	if n == 0 {
		return "at once"
	}
	settled := n - 1 // from there on all are alike
	for settled > 0 && c.Delays[settled-1] == c.Delays[n-1] {
		settled--
	}
	var all []string
	for _, d := range c.Delays[:settled+1] {
		all = append(all, short(d.Nominal).String())
	}
	text := "after " + strings.Join(all, ", ")
	switch {
	case n-settled > 1 && settled > 0:
		text = "after " + strings.Join(all[:settled], ", ") + ", then " + all[settled] + " each time"
	case n == shownDelays && settled > 0:
		text += ", and so on"
	}
	if d := c.Delays[0]; d.Max > d.Nominal {
		text += fmt.Sprintf(" (the first from %v to %v)", short(d.Min), short(d.Max))
	}
	return text
}

// outcome describes what follows if the child keeps failing.
func (c *ChildExplanation) outcome() string {
	if len(c.GivesUp) == 0 {
		return "tried forever"
	}
	var text strings.Builder
	for i, g := range c.GivesUp {
		if i > 0 {
			text.WriteString(", and then ")
		}
		fmt.Fprintf(&text, "%s gives up after %s", oneline.Text(g.Path), restarts(g.Restarts))
		if g.After > 0 {
			fmt.Fprintf(&text, " (%v)", short(g.After))
		}
		switch last := i == len(c.GivesUp)-1; {
		case g.Then == ThenEnds:
			text.WriteString(", and the tree ends")
		case g.Then == ThenDown:
			text.WriteString(", and stays down")
		case last:
			text.WriteString(" and is restarted, each time")
		}
	}
	return text.String()
}

func restarts(n int) string {
	if n == 1 {
		return "1 restart"
	}
	return fmt.Sprintf("%d restarts", n)
}

// MarshalJSON writes the fields in snake case, without those that are empty, and durations as
// time.Duration prints them; child.Forever is "none", for no limit. The outermost object
// begins with "v", the version of the format, which is 1. Fields may be added to version 1.
// "with" has the first hundred names of With at most, and "with_more" the number of the
// others: all names for each child of a large group would be too much.
func (e Explanation) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(struct {
		V int `json:"v"`
		*explanationJSON
	}{1, e.fields()})
	return oneline.JSON(text), err
}

// MarshalJSON is that of Explanation for one child.
func (c ChildExplanation) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(c.fields())
	return oneline.JSON(text), err
}

type explanationJSON struct {
	Path         string             `json:"path"`
	Strategy     strategy.Strategy  `json:"strategy"`
	Intensity    string             `json:"intensity"`
	LongestStart string             `json:"longest_start"`
	LongestStop  string             `json:"longest_stop"`
	StartParts   []partJSON         `json:"start_parts,omitempty"`
	StopParts    []partJSON         `json:"stop_parts,omitempty"`
	Children     []*childExplanJSON `json:"children"`
}

type partJSON struct {
	Path    string `json:"path"`
	Time    string `json:"time"`
	Setting string `json:"setting"`
}

// mostWithJSON is how many names of With are written.
const mostWithJSON = 100

type childExplanJSON struct {
	Path         string           `json:"path"`
	Restart      child.Restart    `json:"restart"`
	With         []string         `json:"with,omitempty"`
	WithMore     int              `json:"with_more,omitempty"`
	Delays       []delayJSON      `json:"delays,omitempty"`
	GivesUp      []giveUpJSON     `json:"gives_up,omitempty"`
	LongestStart string           `json:"longest_start"`
	LongestStop  string           `json:"longest_stop"`
	Text         string           `json:"text"`
	Supervisor   *explanationJSON `json:"supervisor,omitempty"`
}

type delayJSON struct {
	Nominal string `json:"nominal"`
	Min     string `json:"min"`
	Max     string `json:"max"`
}

type giveUpJSON struct {
	Path     string `json:"path"`
	Restarts int    `json:"restarts"`
	After    string `json:"after"`
	Then     string `json:"then"`
}

func limitText(d time.Duration) string {
	if d == child.Forever {
		return "none"
	}
	return d.String()
}

func (e *Explanation) fields() *explanationJSON {
	f := &explanationJSON{
		Path: e.Path, Strategy: e.Strategy, Intensity: e.Intensity.String(),
		LongestStart: limitText(e.LongestStart), LongestStop: limitText(e.LongestStop),
		StartParts: partsJSON(e.StartParts), StopParts: partsJSON(e.StopParts),
		Children: make([]*childExplanJSON, len(e.Children)),
	}
	for i := range e.Children {
		f.Children[i] = e.Children[i].fields()
	}
	return f
}

func partsJSON(parts []Part) (all []partJSON) {
	for _, p := range parts {
		all = append(all, partJSON{p.Path, limitText(p.Time), p.Setting})
	}
	return all
}

func (c *ChildExplanation) fields() *childExplanJSON {
	f := &childExplanJSON{
		Path: c.Path, Restart: c.Restart, LongestStart: limitText(c.LongestStart), LongestStop: limitText(c.LongestStop),
		Text: c.sentence(), With: c.With[:min(len(c.With), mostWithJSON)], WithMore: max(0, len(c.With)-mostWithJSON),
	}
	for _, d := range c.Delays {
		f.Delays = append(f.Delays, delayJSON{d.Nominal.String(), d.Min.String(), d.Max.String()})
	}
	for _, g := range c.GivesUp {
		f.GivesUp = append(f.GivesUp, giveUpJSON{g.Path, g.Restarts, g.After.String(), g.Then})
	}
	if c.Supervisor != nil {
		f.Supervisor = c.Supervisor.fields()
	}
	return f
}
