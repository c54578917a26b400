package sqltest

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate/gatetest"
)

func TestSQLGateConforms(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range gatetest.Checks() {
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					c.Run(t, k.make(t).subject(t, 3*time.Second))
				})
			}
		})
	}
}
