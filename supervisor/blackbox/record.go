package blackbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
)

// A file of events has a JSON object in each line, of one of these kinds:
//
//	{"v":1,"begin":…}  the first line of each file: which life it belongs to
//	{"n":17,…}         an event, with its number in this life
//	{"dump":…}         a dump was written
//	{"trouble":…}      nothing could be written for a while
//	{"end":…}          the recording was stopped
//
// The numbers of events are those of what happened, so a hole in them says how many events
// are missing, whatever the reason.

// Limits of the texts in a record, in bytes before they are escaped. The longest line has
// about six times their sum.
const (
	maxPath  = 1 << 10
	maxErr   = 4 << 10
	maxText  = 1 << 10
	maxBy    = 1 << 8
	maxStack = 16 << 10

	maxLine = 6*(2*maxPath+maxErr+maxText+maxBy+maxStack) + 1<<10
)

// appendEvent appends an event as a line. Its number must not be zero.
func appendEvent(b []byte, n uint64, e *supervisor.Event, err string, stack []byte) []byte {
	number := func(key string, n uint64) { b = strconv.AppendUint(append(b, key...), n, 10) }
	text := func(key, text string, limit int) { b = appendText(append(b, key...), text, limit) }
	number(`{"n":`, n)
	number(`,"seq":`, e.Seq)
	b = append(b, `,"time":"`...)
	b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	text(`","event":`, e.Kind.String(), maxBy)
	text(`,"path":`, e.Path, maxPath)
	if e.Run > 0 {
		number(`,"run":`, e.Run)
	}
	if e.Restarts > 0 {
		number(`,"restarts":`, uint64(e.Restarts))
	}
	if e.Ready {
		b = append(b, `,"ready":true`...)
	}
	if err != "" {
		text(`,"err":`, err, maxErr)
	}
	if e.Delay > 0 {
		text(`,"delay":`, e.Delay.String(), maxBy)
	}
	if e.Text != "" {
		text(`,"text":`, e.Text, maxText)
	}
	if e.Reason != supervisor.ReasonNone {
		text(`,"reason":`, e.Reason.String(), maxBy)
	}
	if e.By != "" {
		text(`,"by":`, e.By, maxBy)
	}
	if e.Because > 0 {
		number(`,"because":`, e.Because)
	}
	if len(stack) > 0 {
		text(`,"stack":`, string(stack[:min(len(stack), maxStack+1)]), maxStack)
	}
	return append(b, "}\n"...)
}

// appendNote appends a value as a line of JSON.
func appendNote(b []byte, note any) []byte {
	text, err := json.Marshal(note)
	if err != nil {
		text = []byte(`{}`) // cannot happen: notes consist of texts, numbers and times
	}
	return append(append(b, oneline.JSON(text)...), '\n')
}

// appendText appends a text of at most limit bytes as a JSON string.
func appendText(b []byte, text string, limit int) []byte {
	text = cut(text, limit)
	b = append(b, '"')
	plain := 0 // text[plain:i] can be copied
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case r == '"' || r == '\\':
			b = append(append(b, text[plain:i]...), '\\', byte(r))
		case r == utf8.RuneError && size == 1:
			b = append(append(b, text[plain:i]...), `\ufffd`...)
		case r == '\n':
			b = append(append(b, text[plain:i]...), `\n`...)
		case oneline.Harmful(r):
			b = append(b, text[plain:i]...)
			if r > 0xffff {
				r -= 0x10000
				b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			} else {
				b = fmt.Appendf(b, `\u%04x`, r)
			}
		default:
			i += size
			continue
		}
		i += size
		plain = i
	}
	return append(append(b, text[plain:]...), '"')
}

// cut returns at most limit bytes of a text, and says so if that is not all.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const mark = "…"
	end := limit - len(mark)
	for range utf8.UTFMax - 1 {
		if utf8.RuneStart(text[end]) {
			break
		}
		end--
	}
	return text[:end] + mark
}

// textOf returns the start of the text of an error, which may be hostile.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	text := oneline.Sprint(err)
	if len(text) > maxErr {
		text = strings.Clone(text[:maxErr+1]) // appendText marks that it is cut
	}
	return text
}

// A begin says which life a file belongs to.
type begin struct {
	Version int       `json:"v"`
	Life    string    `json:"begin"`
	File    int       `json:"file"`
	Next    uint64    `json:"next"` // number of the first event in it
	Began   time.Time `json:"began"`
	Root    string    `json:"root"`
	PID     int       `json:"pid"`
	Program string    `json:"program,omitempty"`
	Go      string    `json:"go"`
}

// A dumped says that a dump was written.
type dumped struct {
	Dump    string    `json:"dump"` // name of its directory
	Time    time.Time `json:"time"`
	Kind    string    `json:"of"` // kind and path of the event that led to it
	Path    string    `json:"path"`
	N       uint64    `json:"event_n"`           // number of that event
	Skipped uint64    `json:"skipped,omitempty"` // events of that kind since the last dump of it, which had none
	Problem string    `json:"problem,omitempty"` // what is missing, and why
}

// A trouble says that nothing could be written for a while.
type trouble struct {
	Trouble string    `json:"trouble"`
	Since   time.Time `json:"since"`
	Time    time.Time `json:"time"` // when it was over
}

// An ending is the last line of a life that was stopped.
type ending struct {
	End  End       `json:"end"` // Clean or Detached
	Time time.Time `json:"time"`
	Last uint64    `json:"last"` // number of the last event
	Err  string    `json:"err,omitempty"`
}

// A record is a line that was read.
type record struct {
	raw []byte

	N        uint64          `json:"n"`
	Seq      uint64          `json:"seq"`
	Time     time.Time       `json:"time"`
	Kind     string          `json:"event"`
	Path     string          `json:"path"`
	Run      uint64          `json:"run"`
	Restarts int             `json:"restarts"`
	Ready    bool            `json:"ready"`
	Err      string          `json:"err"`
	Delay    string          `json:"delay"`
	Text     string          `json:"text"`
	Reason   string          `json:"reason"`
	By       string          `json:"by"`
	Because  uint64          `json:"because"`
	Stack    string          `json:"stack"`
	Begin    string          `json:"begin"`
	Dump     string          `json:"dump"`
	Problem  string          `json:"problem"`
	Trouble  string          `json:"trouble"`
	Since    time.Time       `json:"since"`
	End      json.RawMessage `json:"end"`
	Last     uint64          `json:"last"`
}

// parse reads a line. It reports false for a line that is not one of ours, or is torn.
func parse(line []byte) (record, bool) {
	line, whole := bytes.CutSuffix(line, []byte("\n"))
	r := record{raw: line}
	if !whole || len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &r) != nil {
		return record{}, false
	}
	return r, r.N > 0 || r.Begin != "" || r.Dump != "" || r.Trouble != "" || r.End != nil
}

// event returns the event of a record. An event of a kind that this version does not know
// has Kind zero.
func (r *record) event() supervisor.Event {
	e := supervisor.Event{
		Seq: r.Seq, Time: r.Time, Path: r.Path, Run: r.Run, Restarts: r.Restarts, Ready: r.Ready,
		Text: r.Text, By: r.By, Because: r.Because,
	}
	_ = e.Kind.UnmarshalText([]byte(r.Kind))
	_ = e.Reason.UnmarshalText([]byte(r.Reason))
	e.Delay, _ = time.ParseDuration(r.Delay)
	if r.Err != "" {
		e.Err = errors.New(r.Err)
	}
	if r.Stack != "" {
		e.Stack = []byte(r.Stack)
	}
	return e
}
