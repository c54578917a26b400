package coppiceotel

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
)

// gate visits the gate that runs in a child with series. It has series while its child has
// them, so that they do not end while it waits for a restart.
func (s *snapshot) gate(st *child.Status) {
	g := s.running[st.Path]
	if g == nil && st.State != child.Running { // otherwise something else is in its place, since an Upgrade
		g = s.w.gates[st.Path]
	}
	switch {
	case g == nil:
		s.w.fold.freeGate(st.Path)
	case s.w.fold.admitGate(st.Path):
		s.gates[st.Path] = g
	default:
		s.omitted += seriesOfGate
	}
}

// observeGates observes all gates. Those with the same name are one: its members in this
// tree.
func (s *snapshot) observeGates() {
	byName := make(map[string]gate.State)
	for _, g := range s.gates {
		st := g.State()
		sum := byName[g.Name()]
		sum.Open = sum.Open || st.Open
		sum.Wins += st.Wins
		sum.RenewalsFailed += st.RenewalsFailed
		if st.Until.After(sum.Until) {
			sum.Until = st.Until
		}
		byName[g.Name()] = sum
	}
	for name, st := range byName {
		of := keyGate.String(lineOf(name))
		s.int(s.w.gateLeading, bit(st.Open), of)
		s.int(s.w.gateTransitions, int64(st.Wins), of)
		s.int(s.w.gateRenewFailures, int64(st.RenewalsFailed), of)
		if !st.Until.IsZero() {
			s.float(s.w.gateDeadline, seconds(st.Until), of)
		}
	}
}
