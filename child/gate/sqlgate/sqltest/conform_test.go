package sqltest

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate/gatetest"
)

func TestSQLGateConforms(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		for _, c := range gatetest.Checks() {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				c.Run(t, d.subject(t, 2*time.Second))
			})
		}
	})
}
