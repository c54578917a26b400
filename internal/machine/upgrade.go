package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// Upgrade replaces the configuration and the specs, as OTP's code_change does. Children
// that specs names get the new settings and keep running. New children are added in their
// place and not started. Children that specs does not name stay, after the others. Restarts
// that are in the window still count. Upgrade returns an error and changes nothing if the
// supervisor ends, if the strategy would change to or from Independent or Graph, or if edges of
// new specs and of children that they do not name do not go together. Before Boot it
// replaces only the configuration, because Boot gets the specs. The specs must be valid and
// must not change afterwards.
func (m *Machine) Upgrade(conf Config, specs []child.Spec, now time.Duration) error {
	pointers := make([]*child.Spec, len(specs))
	for i := range specs {
		pointers[i] = &specs[i]
	}
	return m.Arrange(conf, pointers, now)
}

// Arrange is Upgrade for specs that are not in one slice. A child keeps its settings if it
// gets the pointer that it has. Others are no longer on trial: see Replace.
func (m *Machine) Arrange(conf Config, specs []*child.Spec, now time.Duration) error {
	m.beginEvent(now)
	switch {
	case m.phase >= Closing:
		m.endEvent()
		return ErrNotRunning
	case rules.Ordered(conf.Strategy) != m.ordered(), (conf.Strategy == strategy.Graph) != m.isGraph():
		m.endEvent()
		return ErrStrategy
	}
	if m.isGraph() && m.phase != Unborn {
		if err := m.upgradeFault(specs); err != nil {
			m.endEvent()
			return err
		}
	}
	conf.Runs = m.conf.Runs
	m.conf = conf
	m.window.SetLimit(conf.Intensity)
	if m.phase == Unborn {
		m.endEvent()
		return nil
	}

	old := m.first
	for c := old; c != nil; c = c.next {
		c.Declared = false
	}
	var listed []*Child
	for _, spec := range specs {
		c := m.Child(spec.Name)
		if c == nil {
			c = &Child{Since: m.now}
			c.setSpec(spec)
			m.specs++
		}
		if c.Spec != spec {
			m.endTrial(c)
		}
		m.significant -= count(c.countsAsSignificant())
		c.setSpec(spec)
		c.Declared = true
		m.significant += count(c.countsAsSignificant())
		listed = append(listed, c)
	}
	for c := old; c != nil; c = c.next {
		if !c.Declared {
			listed = append(listed, c)
		}
	}
	m.first, m.last, m.seq = nil, nil, 0
	for _, c := range listed {
		m.seq++
		c.seq = m.seq
		m.link(c)
		m.addName(c)
	}
	if m.sweep.what != noSweep {
		m.sweep.next = m.first
	}
	switch { // the marks stay, and the operation begins again in the new order
	case m.op == opNone:
	case m.ordered():
		m.op, m.firstMarked, m.cursor = opStopping, m.first, m.last
	default:
		m.cursor = m.first
	}
	if m.isGraph() {
		m.upgradeGraph()
	}
	m.endEvent()
	return nil
}
