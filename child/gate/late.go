package gate

import (
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
)

// A LateError says that a lease has ended, and something that was started under it had not
// returned. From then on another member may lead at the same time.
type LateError struct {
	Name  string    // of the lease
	Token int64     // of the lease
	Runs  []LateRun // in the order of their starts
}

// A LateRun is a run that had not returned when its lease ended.
type LateRun struct {
	Path  string // of the child
	Stack []byte // of its goroutine; nil if it was not found
}

// mostNamed is the number of runs that the text of a LateError names at most.
const mostNamed = 5

// Error returns the name of the lease, its token and the paths of the first few runs, in
// one line.
func (e *LateError) Error() string {
	if e == nil {
		return "nil *gate.LateError"
	}
	var paths []string
	for _, r := range e.Runs[:min(len(e.Runs), mostNamed)] {
		paths = append(paths, oneline.Text(r.Path))
	}
	if more := len(e.Runs) - len(paths); more > 0 {
		paths = append(paths, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s: the lease with token %d has ended, and this has not stopped: %s",
		oneline.Text(e.Name), e.Token, strings.Join(paths, ", "))
}

// Crash ends the process with a panic that names each late run and shows its stack. The
// panic is on a goroutine of its own, so that nothing recovers it. It is what Kubernetes'
// own components do when they lose a lease, but here only if something has not stopped in
// time.
func Crash(err error) { go panic(crashText(err)) }

// crashText is the text of a crash.
func crashText(err error) string {
	var text strings.Builder
	text.WriteString(oneline.Of(err))
	if late, ok := err.(*LateError); ok && late != nil {
		for _, r := range late.Runs[:min(len(late.Runs), mostNamed)] {
			fmt.Fprintf(&text, "\n\n%s:\n%s", oneline.Text(r.Path), r.Stack)
		}
	}
	return text.String()
}

// Fence does nothing. It is for what writes only to stores that refuse stale tokens: there
// it does not matter that something is late.
func Fence(error) {}
