package supervisortest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
)

// A Match selects events. Zero fields match anything, so the zero Match matches every
// event.
type Match struct {
	Kind supervisor.EventKind
	Path string // a name, a path from the root (jobs/job-17), or a full path (/root/jobs/job-17)
	Err  error  // compared with the event's error by errors.Is
}

// String returns the match as one line, for example "failed db: boom".
func (m Match) String() string {
	text := "any event"
	if m.Kind != 0 {
		text = m.Kind.String()
	}
	if m.Path != "" {
		text += " " + oneline.Text(m.Path)
	}
	if m.Err != nil {
		text += ": " + oneline.Of(m.Err)
	}
	return text
}

// fits reports whether m matches an event in the tree of root.
func (m Match) fits(e *supervisor.Event, root string) bool {
	return (m.Kind == 0 || m.Kind == e.Kind) &&
		(m.Path == "" || fullPath(root, m.Path) == e.Path) &&
		(m.Err == nil || errors.Is(e.Err, m.Err))
}

// fullPath returns the path in the form that events use.
func fullPath(root, path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return root + "/" + path
}

// shortKinds are words that Order accepts besides the names of the kinds.
var shortKinds = map[string]supervisor.EventKind{
	"start": supervisor.EventStarting, "fail": supervisor.EventFailed,
	"restart": supervisor.EventRestarting, "complete": supervisor.EventCompleted,
	"stop": supervisor.EventStopping, "abandon": supervisor.EventAbandoned,
	"remove": supervisor.EventRemoved, "give-up": supervisor.EventGaveUp,
}

// parseMatch reads "ready db".
func parseMatch(line string) (Match, error) {
	word, path, ok := strings.Cut(line, " ")
	if !ok || path == "" {
		return Match{}, fmt.Errorf("%q: want a kind of event and a path, such as \"ready db\"", line)
	}
	kind, ok := shortKinds[word]
	if !ok && kind.UnmarshalText([]byte(word)) != nil {
		return Match{}, fmt.Errorf("%q: unknown kind of event: use one of %s", line, strings.Join(kindWords(), ", "))
	}
	return Match{Kind: kind, Path: path}, nil
}

// kindWords returns the names of all kinds.
func kindWords() (words []string) {
	for kind := supervisor.EventKind(1); ; kind++ {
		text, err := kind.MarshalText()
		if err != nil {
			return words
		}
		words = append(words, string(text))
	}
}
