package coppiceprom

import (
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/internal/gatesum"
	"github.com/coppice-go/coppice/internal/kept"
	"github.com/coppice-go/coppice/supervisor"
)

// findGates finds the gates of the tree.
func findGates(root *supervisor.Supervisor) *extras[gate.Gate] {
	return &extras[gate.Gate]{
		running: gate.Running(root), series: gateSeries,
		slot: func(k *kid) *kept.Kept[gate.Gate] { return &k.gate },
	}
}

// gates adds the metrics of all gates.
func (o *output) gates(kids []kid) {
	shown := func(yield func(*gate.Gate) bool) {
		for i := range kids {
			if k := &kids[i]; k.gate.Value != nil && k.now != nil && !yield(k.gate.Value) {
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
