package gate

import (
	"errors"
	"strings"

	"github.com/coppice-go/coppice/supervisor"
)

// watchDrain tells the core when the root drains, or a supervisor further up begins to
// stop: a member that is about to stop must not win. It returns a function that ends that.
func (m *member) watchDrain() (end func()) {
	sup, ok := supervisor.FromContext(m.ctx)
	if !ok {
		return func() {}
	}
	root := sup.Root()
	draining := func() { m.post(func() { m.do(m.core.Draining(m.now())) }) }
	cancel := root.Subscribe(func(e supervisor.Event) {
		if strings.HasPrefix(m.ctx.Path(), e.Path+"/") {
			draining()
		}
	}, supervisor.EventDraining, supervisor.EventClosing)
	if errors.Is(root.Health(), supervisor.ErrDraining) { // since before the subscription
		m.do(m.core.Draining(m.now()))
	}
	return cancel
}
