package coppiceprom

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
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

// gates adds the metrics of all gates. Those with the same name are one: its members in this
// tree.
func (o *output) gates(kids []kid) {
	byName := make(map[string]gate.State)
	for i := range kids {
		if kids[i].gate == nil || kids[i].now == nil {
			continue
		}
		name, st := kids[i].gate.Name(), kids[i].gate.State()
		sum := byName[name]
		sum.Open = sum.Open || st.Open
		sum.Wins += st.Wins
		sum.RenewalsFailed += st.RenewalsFailed
		if st.Until.After(sum.Until) {
			sum.Until = st.Until
		}
		byName[name] = sum
	}
	for name, st := range byName {
		o.addBool(gateLeading, st.Open, name)
		o.add(gateTransitions, float64(st.Wins), name)
		o.add(gateRenewFailures, float64(st.RenewalsFailed), name)
		if !st.Until.IsZero() {
			o.add(gateLeaseDeadline, seconds(st.Until), name)
		}
	}
}
