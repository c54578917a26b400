package blackbox

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
)

// Options say how Print prints. The zero value is the default.
type Options struct {
	// Events is the number of events that are printed, the last ones. Zero is 100, and a
	// negative number means all that are kept.
	Events int
	// Stacks prints the stacks that events have: of panics, hung and abandoned runs.
	Stacks bool
	// JSON prints an object in each line. The first one has the version of the format, 1,
	// and the Life: {"v":1,"life":{…}}. The others are its last events and notes as they
	// are stored: see the package comment.
	JSON bool
}

const defaultEvents = 100

// Print prints a recording for a person to read: which lives there are, then one of them:
// how it ended, its dumps, and its last events in order. All text is made safe for a
// terminal. Damaged and foreign files do not make it fail: it prints what it can read, and
// says how many events are missing.
//
// path is one of these:
//
//	Spec.Dir           prints the newest life that has ended, or one that is running if
//	                   no other is there
//	a life in it       prints this life
//	a dump of a life   prints the texts of the dump
//	a file             prints the records of a file of events, or else its text
//
// Print returns an error if path cannot be read, if nothing is recorded there, or if w
// returns one.
func Print(w io.Writer, path string, o Options) error {
	o.Events = cmp.Or(o.Events, defaultEvents)
	out := &printer{w: bufio.NewWriter(w), Options: o}
	err := out.path(filepath.Clean(path))
	return cmp.Or(out.w.Flush(), err)
}

type printer struct {
	w *bufio.Writer // keeps the first error
	Options
	day string // of the last time that was printed
}

func (p *printer) path(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.Mode().IsRegular():
		return p.file(path)
	case !info.IsDir():
		return fmt.Errorf("%s: not a directory or a regular file", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	switch base := filepath.Base(abs); {
	case dumpName.MatchString(base):
		return p.dump(path)
	case lifeName.MatchString(base):
		life, err := readLife(abs)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return p.life(&life)
	}
	lives, err := Lives(path)
	if err != nil {
		return err
	}
	if len(lives) == 0 {
		return fmt.Errorf("%s: %w", path, errNoLife)
	}
	shown := len(lives) - 1
	for i, life := range slices.Backward(lives) {
		if life.End != Running {
			shown = i
			break
		}
	}
	if !p.JSON && len(lives) > 1 {
		for i, life := range lives {
			mark := "  "
			if i == shown {
				mark = "> "
			}
			p.line("%s%v", mark, life)
		}
		p.line("")
	}
	return p.life(&lives[shown])
}

// life prints a life.
func (p *printer) life(l *Life) error {
	root, err := os.OpenRoot(l.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if p.JSON {
		_, _ = p.w.Write(appendNote(nil, struct {
			Version int   `json:"v"`
			Life    *Life `json:"life"`
		}{1, l}))
		return eachRecord(root, p.Events, func(r *record, _ uint64) {
			if r.Begin == "" {
				p.raw(r)
			}
		})
	}
	p.line("life     %s", oneline.Text(l.Name))
	p.line("root     %s", oneline.Text(l.Root))
	p.line("process  %d, %s", l.PID, oneline.Text(strings.TrimPrefix(l.Program+", "+l.Go, ", ")))
	p.line("began    %s", l.Began.Local().Format("2006-01-02 15:04:05.000 -07:00"))
	p.line("end      %s", oneline.Text(l.outcome()))
	for _, name := range l.Dumps {
		p.line("dump     %s", oneline.Text(filepath.Join(l.Dir, name)))
	}
	p.line("")
	err = eachRecord(root, p.Events, p.record)
	p.line("%s", oneline.Text(l.outcome()))
	if text := readCrash(root); text != "" {
		p.line("")
		p.text(text)
		p.line("The crash is in %s.", oneline.Text(filepath.Join(l.Dir, crashName)))
	}
	return err
}

// raw prints a record as it is stored.
func (p *printer) raw(r *record) {
	_, _ = p.w.Write(append(oneline.JSON(r.raw), '\n'))
}

// record prints a record as a line.
func (p *printer) record(r *record, missing uint64) {
	if missing > 0 {
		p.line("%14s%s", "", plural(missing, "event")+" before: not shown, removed or lost")
	}
	switch {
	case r.N > 0:
		p.event(r)
	case r.Dump != "":
		text := "dump " + r.Dump + " of " + r.Path
		if r.Problem != "" {
			text += "; incomplete: " + oneline.Of(r.Problem)
		}
		p.line("%s  %s", p.clock(r.Time), oneline.Text(text))
	case r.Trouble != "":
		p.line("%s  nothing could be written since %s: %s", p.clock(r.Time), r.Since.Local().Format(timeOfDay), oneline.Text(r.Trouble))
	}
}

func (p *printer) event(r *record) {
	e := r.event()
	text := e.String()
	if e.Kind == 0 { // of a later version
		text = oneline.Text(r.Kind + " " + r.Path + ": " + r.Err)
	}
	if why := reason(&e); why != "" {
		text += " (" + oneline.Text(why) + ")"
	}
	p.line("%s  %s", p.clock(e.Time), text)
	if p.Stacks && len(e.Stack) > 0 {
		for line := range strings.Lines(string(e.Stack)) {
			p.line("%14s%s", "", safe(line))
		}
	}
}

// reason says why an event happened, unless the kind of the event and the error say it.
func reason(e *supervisor.Event) string {
	switch e.Kind {
	case supervisor.EventRequest, supervisor.EventSuspended, supervisor.EventResumed, supervisor.EventApplying, supervisor.EventApplied:
		return ""
	}
	why := e.Reason.String()
	switch e.Reason {
	case supervisor.ReasonNone, supervisor.ReasonBoot, supervisor.ReasonFailed, supervisor.ReasonCompleted, supervisor.ReasonShutdown:
		why = ""
	case supervisor.ReasonGroup:
		return "together with " + e.By
	}
	if e.By != "" && e.By != e.Path {
		why = strings.TrimPrefix(why+" by "+e.By, " ")
	}
	return why
}

// file prints a file.
func (p *printer) file(path string) error {
	dir, name := filepath.Split(path)
	root, err := os.OpenRoot(cmp.Or(dir, "."))
	if err != nil {
		return err
	}
	defer root.Close()
	if !eventsName.MatchString(name) {
		return p.textOf(root, name)
	}
	return eachRecordOf(root, []string{name}, p.Events, func(r *record, missing uint64) {
		if p.JSON {
			p.raw(r)
			return
		}
		p.record(r, missing)
	})
}

// dumpTexts are the texts of a dump, in the order in which they are printed.
var dumpTexts = []string{whyName, treeName, stacksName, leaksName}

// dump prints the texts of a dump, and names the other files.
func (p *printer) dump(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range dumpTexts {
		if _, err := root.Lstat(name); err != nil {
			continue
		}
		p.line("== %s", name)
		if err := p.textOf(root, name); err != nil {
			return err
		}
		p.line("")
	}
	for _, name := range []string{treeJSONName, flightName} {
		if _, err := root.Lstat(name); err == nil {
			p.line("== %s is a file for other programs", name)
		}
	}
	return nil
}

// maxPrinted bounds the text that is printed of one file.
const maxPrinted = 64 << 20

func (p *printer) textOf(root *os.Root, name string) error {
	f, err := openRegular(root, name)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPrinted))
	if err != nil {
		return err
	}
	p.text(string(text))
	return nil
}

// text prints lines of text, made safe for a terminal.
func (p *printer) text(text string) {
	for line := range strings.Lines(text) {
		p.line("%s", safe(line))
	}
}

// safe returns a line without its end, made safe for a terminal. Tabs remain.
func safe(line string) string {
	line = strings.TrimRight(line, "\r\n")
	if !strings.Contains(line, "\t") {
		return oneline.Text(line)
	}
	parts := strings.Split(line, "\t")
	for i := range parts {
		parts[i] = oneline.Text(parts[i])
	}
	return strings.Join(parts, "\t")
}

const timeOfDay = "15:04:05.000"

// clock returns the time of day. It prints a line with the date when that changes.
func (p *printer) clock(t time.Time) string {
	t = t.Local()
	if day := t.Format(time.DateOnly); day != p.day {
		p.day = day
		p.line("%s", day)
	}
	return t.Format(timeOfDay)
}

func (p *printer) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p.w, format+"\n", args...)
}

// plural returns a count and a noun, such as "1 event" or "2 events".
func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
