package etcdgate

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
)

// subject is an etcd whose members have lines of their own. Away cuts all of them.
func subject(t *testing.T, c *cluster, ttl time.Duration) gatetest.Subject {
	var mu sync.Mutex
	lines := make(map[gate.Elector]*line)
	away := false
	admin := c.client(t)
	of := func(e gate.Elector) *line {
		mu.Lock()
		defer mu.Unlock()
		return lines[e]
	}
	return gatetest.Subject{
		TTL:       ttl,
		HandOver:  2 * time.Second, // for a busy machine: TestHandOverOnACleanStop measures it
		HandOvers: 1000,
		Storm:     40,
		Member: func(id string) gate.Elector {
			l := newLine(t, c.first)
			e := New(l.client(t), Spec{TTL: ttl, Member: id})
			mu.Lock()
			defer mu.Unlock()
			lines[e] = l
			l.Cut(away)
			return e
		},
		Cut:       func(e gate.Elector, cut bool) { of(e).Cut(cut) },
		LoseReply: func(e gate.Elector) { of(e).LoseReplies(1) },
		Slow:      func(e gate.Elector, latency time.Duration) { of(e).Slow(latency) },
		Away: func(to bool) {
			mu.Lock()
			defer mu.Unlock()
			away = to
			for _, l := range lines {
				l.Cut(to)
			}
		},
		Delete: func(name string) {
			_, err := admin.Delete(brief(t), DefaultPrefix+name)
			require.NoError(t, err)
		},
	}
}

// The checks for which Subject has no field here: a renewal in etcd cannot change the term,
// which TestTheTermIsTheOneThatWasGranted covers, and etcd does not use wall clocks.
func TestEtcdGateConforms(t *testing.T) {
	for n, ttl := range map[int]time.Duration{1: 4 * time.Second, 3: 6 * time.Second} {
		t.Run(fmt.Sprintf("etcd with %d members", n), func(t *testing.T) {
			c := startCluster(t, n, slowly)
			t.Run("checks", func(t *testing.T) {
				for _, check := range gatetest.Checks() {
					t.Run(check.Name, func(t *testing.T) {
						ttl := ttl
						if strings.Contains(check.Name, "hundred") || strings.Contains(check.Name, "thousands") {
							ttl = 15 * time.Second // they do not wait for terms, and keep the machine busy
						} else {
							t.Parallel()
						}
						check.Run(t, subject(t, c, ttl))
					})
				}
			})
		})
	}
}
