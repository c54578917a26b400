// Package gatesum adds up gates for metrics, which have one series for each name.
package gatesum

import (
	"iter"

	"github.com/coppice-go/coppice/child/gate"
)

// ByName returns the states of gates by their names. Gates of one tree with the same name are
// one: it is open if one of them is, its counts are their sums, and its lease ends with the
// last of theirs.
func ByName(gates iter.Seq[*gate.Gate]) map[string]gate.State {
	sums := make(map[string]gate.State)
	for g := range gates {
		st, sum := g.State(), sums[g.Name()]
		sum.Open = sum.Open || st.Open
		sum.Wins += st.Wins
		sum.RenewalsFailed += st.RenewalsFailed
		if st.Until.After(sum.Until) {
			sum.Until = st.Until
		}
		sums[g.Name()] = sum
	}
	return sums
}
