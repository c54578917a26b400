package otptest

import (
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Coppice rejects every fault that OTP rejects, if it can be expressed in Go.
func TestOTPFaultsAreFaultsInGo(t *testing.T) {
	files, err := Load(Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, s := range f.Scenarios {
			for _, n := range s.Nodes {
				if !n.Sup {
					continue
				}
				strat, limit, auto := n.Limits()
				refused := supervisor.Spec{Strategy: strat, Intensity: limit, AutoShutdown: auto}.Validate() != nil
				for i, c := range n.Children {
					spec := c.ChildSpec(c.ID)
					spec.Run = func(child.Context) error { return nil }
					refused = refused || spec.Validate() != nil || spec.Significant && auto == strategy.Never
					for _, other := range n.Children[:i] {
						refused = refused || other.ID == c.ID
					}
				}
				if fault := n.SupFault(); InGo(fault) != refused {
					t.Errorf("%s: %s: OTP %q, refused %v", s.Name, n.Label, fault, refused)
				}
			}
		}
	}
}
