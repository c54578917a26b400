package readiness

import (
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Optional has the paths of children that do not count for the readiness of a tree. A path is
// a full one, such as "/shop/jobs/mail", or one below the root, such as "jobs/mail".
// Children below such a path do not count either.
type Optional []string

// NewOptional returns the paths of a spec, without slashes at their ends. Empty ones are left
// out.
func NewOptional(paths []string) (o Optional) {
	for _, path := range paths {
		if path = strings.TrimRight(path, "/"); path != "" {
			o = append(o, path)
		}
	}
	return o
}

// Split returns what Health of a root reports: the errors that count, and those of optional
// children. Each begins with a path. No method of an error of a child is called, because they
// are user code.
func (o Optional) Split(root *supervisor.Supervisor) (counts, optional []error) {
	err := root.Health()
	if err == nil {
		return nil, nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	base := root.Path()
	for _, err := range all {
		if about, ok := err.(*supervisor.ChildError); ok && o.has(about.Path, base) {
			optional = append(optional, err)
		} else {
			counts = append(counts, err)
		}
	}
	// Health does not mention a root that stops if it can name children that are not ready.
	if len(counts) == 0 {
		if st := root.Status(); st.State == child.Stopping || st.State == child.Stopped {
			counts = []error{&supervisor.ChildError{Path: st.Path, Err: fmt.Errorf("%w: %v", child.ErrNotReady, st.State)}}
		}
	}
	return counts, optional
}

// has reports whether the child at path, or one above it, is optional. The root at base never
// is.
func (o Optional) has(path, base string) bool {
	below, ok := strings.CutPrefix(path, base+"/")
	if !ok {
		return false
	}
	for _, optional := range o {
		from := below
		if strings.HasPrefix(optional, "/") {
			from = path
		}
		if rest, ok := strings.CutPrefix(from, optional); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}
