package probe

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/coppice-go/coppice/internal/vitals"
)

// Bounds of an answer.
const (
	maxLines = 50
	maxLine  = 300 // bytes
)

// An answer is the text of a probe.
type answer struct {
	name   string // "ready"
	failed bool
	lines  []string
	left   int     // lines that did not fit
	health *health // nil if it was not asked for
}

// count adds a reason why the probe fails.
func (a *answer) count(reason error) {
	a.failed = true
	a.add("", reason)
}

// note adds something that does not count.
func (a *answer) note(label string, about any) { a.add(label+": ", about) }

func (a *answer) add(label string, about any) {
	if len(a.lines) == maxLines {
		a.left++
		return
	}
	a.lines = append(a.lines, label+vitals.Line(about, maxLine-len(label)))
}

func (a *answer) write(w http.ResponseWriter) {
	var text strings.Builder
	if a.failed {
		text.WriteString("not ")
	}
	text.WriteString(a.name + "\n")
	for _, line := range a.lines {
		text.WriteString(line + "\n")
	}
	if a.left > 0 {
		fmt.Fprintf(&text, "and %d more\n", a.left)
	}
	if a.failed {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(text.String())) // the client has left
}
