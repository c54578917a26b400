package probe

import "github.com/coppice-go/coppice/supervisor"

// health is what Health says, with optional children apart.
type health struct {
	counts, optional []error // each begins with a path
}

func (h *handler) health(root *supervisor.Supervisor) *health {
	counts, optional := h.optional.Split(root)
	return &health{counts, optional}
}
