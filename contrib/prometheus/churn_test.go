package coppiceprom

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestChurnLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "conns", Run: conns.Run}}})
		c := New(root, Spec{MaxSeries: treeSeries + 2*49 + 100*childSeries, SeriesFor: func(path string) bool { return path[len(path)-1] == '0' }})
		require.NoError(t, root.Start(t.Context()))
		defer func() { require.NoError(t, root.Stop(context.Background())) }()
		fails := &supervisortest.Child{FailStarts: 1 << 30}
		late := &supervisortest.Child{StopAfter: time.Minute}
		ok := new(supervisortest.Child)
		for i := range 3000 {
			name := fmt.Sprint("conn-", i)
			switch i % 3 {
			case 0:
				require.NoError(t, conns.StartChild(t.Context(), child.Spec{Name: name, Run: ok.Run}))
				require.NoError(t, conns.RemoveChild(t.Context(), name))
			case 1:
				require.Error(t, conns.StartChild(t.Context(), child.Spec{Name: name, Run: fails.Run}))
			case 2:
				require.NoError(t, conns.StartChild(t.Context(), child.Spec{Name: name, Run: late.Run, StopTimeout: time.Second}))
				require.Error(t, conns.RemoveChild(t.Context(), name))
			}
			if i%500 == 0 {
				c.scrape()
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		c.scrape()
		require.Empty(t, c.ledger.abandoned)
		require.Len(t, c.ledger.groups, 2)
		require.LessOrEqual(t, len(c.ledger.kids), 100)
		require.Zero(t, c.ledger.lost)
	})
}

// A child that is counted for the first time while a scrape goes on is not in its snapshot,
// but was not removed.
func TestAChildThatIsNewerThanTheSnapshotStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: slog.New(slog.DiscardHandler)})
		c := New(root, Spec{SeriesFor: func(string) bool { return true }})
		require.NoError(t, root.Start(t.Context()))
		defer func() { require.NoError(t, root.Stop(context.Background())) }()
		s := c.look()
		time.Sleep(time.Second)
		c.count(supervisor.Event{Kind: supervisor.EventFailed, Path: "/shop/new", Time: time.Now()})
		c.settle(s)
		require.False(t, c.ledger.kids["/shop/new"].gone)
		time.Sleep(time.Second)
		s = c.look()
		c.settle(s)
		require.True(t, c.ledger.kids["/shop/new"].gone)
	})
}

func TestAnEvictedSupervisorLeavesNoHistogram(t *testing.T) {
	r := newRegistrar("shop", defaultBuckets)
	l := newLedger(1000, len(defaultBuckets))
	room := l.room
	g := l.addGroup("/shop/a", r)
	l.kid("/shop/a/b").gone, g.gone = true, true
	l.evict(r)
	require.Empty(t, l.groups)
	require.Empty(t, l.kids)
	require.Equal(t, room, l.room)
	ch := make(chan prometheus.Metric, 10)
	r.start.Collect(ch)
	r.stop.Collect(ch)
	require.Empty(t, ch)
}
