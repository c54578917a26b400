package coppiceotel

import (
	"maps"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/gatesum"
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

// observeGates observes all gates.
func (s *snapshot) observeGates() {
	for name, st := range gatesum.ByName(maps.Values(s.gates)) {
		of := keyGate.String(lineOf(name))
		s.int(s.w.gateLeading, bit(st.Open), of)
		s.int(s.w.gateTransitions, int64(st.Wins), of)
		s.int(s.w.gateRenewFailures, int64(st.RenewalsFailed), of)
		if !st.Until.IsZero() {
			s.float(s.w.gateDeadline, seconds(st.Until), of)
		}
	}
}
