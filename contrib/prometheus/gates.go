package coppiceprom

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/internal/gatesum"
)

// placeGates gives series to the gates that run in children with series, and returns how
// many do not fit. A gate keeps them while its child has them, so that they do not end while
// it waits for a restart.
func (s *snapshot) placeGates(l *ledger) (missing int) {
	for _, b := range s.branches {
		g := s.gates[b.Path]
		switch {
		case g != nil && b.kid == nil:
			missing += gateSeries
		case g != nil && b.kid.gate == nil:
			if !l.fits(gateSeries) {
				missing += gateSeries
				continue
			}
			l.room -= gateSeries
			b.kid.gate = g
		case g != nil:
			b.kid.gate = g
		case b.kid != nil && b.kid.gate != nil && b.State == child.Running: // something else, since an Upgrade
			l.room += gateSeries
			b.kid.gate = nil
		}
	}
	return missing
}

// gates adds the metrics of all gates.
func (o *output) gates(kids []kid) {
	shown := func(yield func(*gate.Gate) bool) {
		for i := range kids {
			if k := &kids[i]; k.gate != nil && k.now != nil && !yield(k.gate) {
				return
			}
		}
	}
	for name, st := range gatesum.ByName(shown) {
		o.addBool(gateLeading, st.Open, name)
		o.add(gateTransitions, float64(st.Wins), name)
		o.add(gateRenewFailures, float64(st.RenewalsFailed), name)
		if !st.Until.IsZero() {
			o.add(gateLeaseDeadline, seconds(st.Until), name)
		}
	}
}
