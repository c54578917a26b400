package coppiceotel

import (
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/internal/gatesum"
)

// observeGates observes all gates.
func (s *snapshot) observeGates() {
	shown := func(yield func(*gate.Gate) bool) {
		s.w.fold.gates.shown(s.seen)(func(_ string, g *gate.Gate) bool { return yield(g) })
	}
	for name, st := range gatesum.ByName(shown) {
		of := keyGate.String(lineOf(name))
		s.int(s.w.gateLeading, bit(st.Open), of)
		s.int(s.w.gateTransitions, int64(st.Wins), of)
		s.int(s.w.gateRenewFailures, int64(st.RenewalsFailed), of)
		if !st.Until.IsZero() {
			s.float(s.w.gateDeadline, seconds(st.Until), of)
		}
	}
}
