package probe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// health is what Health says, with optional children apart.
type health struct {
	counts, optional []error // each begins with a path
}

func (h *handler) health(root *supervisor.Supervisor) *health {
	all := new(health)
	base := root.Path()
	for _, err := range each(root.Health()) {
		var about *supervisor.ChildError
		if errors.As(err, &about) && h.isOptional(about.Path, base) {
			all.optional = append(all.optional, err)
		} else {
			all.counts = append(all.counts, err)
		}
	}
	// Health does not mention a root that stops if it can name children that are not ready.
	if len(all.optional) > 0 && len(all.counts) == 0 {
		if st := root.Status(); st.State == child.Stopping || st.State == child.Stopped {
			all.counts = []error{&supervisor.ChildError{Path: st.Path, Err: fmt.Errorf("%w: %v", child.ErrNotReady, st.State)}}
		}
	}
	return all
}

// each returns the errors that errors.Join has joined.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// isOptional reports whether the child at path, or one above it, is in Spec.Optional. The
// root at base is never optional.
func (h *handler) isOptional(path, base string) bool {
	below, ok := strings.CutPrefix(path, base+"/")
	if !ok {
		return false
	}
	for _, optional := range h.optional {
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
