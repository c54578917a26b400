package sdnotify

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// hangs is a child that keeps its heartbeat for some time in each run, the last one again
// and again, and stops keeping it without returning before it is asked to.
func hangs(times ...time.Duration) func(child.Context) error {
	n := -1
	return func(ctx child.Context) error {
		n = min(n+1, len(times)-1)
		if err := ctx.Ready(); err != nil {
			return err
		}
		for end := time.Now().Add(times[n]); time.Now().Before(end); {
			ctx.Heartbeat()
			if child.Sleep(ctx, second) {
				return nil
			}
		}
		<-ctx.Done()
		return nil
	}
}

const beat = 4 * second

// feeds returns how often the watchdog was fed in each minute of some.
func feeds(systemd *fakeSystemd, minutes int) (counts []int) {
	for range minutes {
		time.Sleep(time.Minute)
		counts = append(counts, len(systemd.take(watchdogLine)))
	}
	return counts
}

func TestWatchdogAfterMissedHeartbeats(t *testing.T) {
	const forever = 1000 * time.Hour
	for name, c := range map[string]struct {
		child child.Spec
		fed   []int
	}{
		"one that never misses it": {child.Spec{Run: hangs(forever)}, []int{6, 6, 6, 6, 6}},
		"a restart is enough":      {child.Spec{Run: hangs(30*second, forever)}, []int{6, 6, 6, 6, 6}},
		"well for a minute and a half in between": {
			child.Spec{Run: hangs(30*second, 90*second, 90*second, forever)}, []int{6, 6, 6, 6, 6}},
		"twice in a row, then well for a minute":  {child.Spec{Run: hangs(30*second, 10*second, forever)}, []int{4, 2, 6, 6, 6}},
		"always":                                  {child.Spec{Run: hangs(30 * second)}, []int{6, 0, 0, 0, 0}},
		"twice, then it is done":                  {child.Spec{Run: hangs(second, second), Restart: child.Temporary}, []int{6, 6, 6, 6, 6}},
		"abandoned, and the next run is well":     {child.Spec{Run: deaf(hangs(30*second, forever)), StopTimeout: second}, []int{6, 6, 6, 6, 6}},
		"abandoned each time":                     {child.Spec{Run: deaf(hangs(10 * second)), StopTimeout: second}, []int{2, 0, 0, 0, 0}},
		"never returns and must be waited for":    {child.Spec{Run: deaf(hangs(10 * second)), StopTimeout: child.Forever}, []int{6, 1, 0, 0, 0}},
		"takes minutes to return, but not more":   {child.Spec{Run: deaf(hangs(10 * second)), StopTimeout: 3 * time.Minute}, []int{6, 6, 6, 2, 0}},
		"a heartbeat of a minute, missed for two": {child.Spec{Run: hangs(second, 119*second, forever), Heartbeat: time.Minute}, []int{6, 6, 6, 6, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				let = make(chan struct{})
				defer close(let) // before the cleanup, which stops the root
				c.child.Name = "a"
				if c.child.Heartbeat == 0 {
					c.child.Heartbeat = beat
				}
				root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{c.child}}, 20*second)
				serve(t, root)
				systemd.take()
				require.Equal(t, c.fed, feeds(systemd, len(c.fed)))
			})
		})
	}
}

var let chan struct{} // lets the runs of deaf return

// deaf makes a run that hangs ignore that it is asked to stop.
func deaf(run func(child.Context) error) func(child.Context) error {
	return func(ctx child.Context) error {
		err := run(ctx)
		<-let
		return err
	}
}

func TestTheLogAndTheStatusSayWhyTheWatchdogIsNotFed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		root, systemd, _ := watched(t, supervisor.Spec{Logger: slog.New(slog.NewTextHandler(&log, nil)), Children: []child.Spec{
			{Name: "a", Run: hangs(second, second, 1000*time.Hour), Heartbeat: beat},
		}}, 20*second)
		serve(t, root)
		time.Sleep(30 * second)
		status := systemd.take(statusKey)
		require.Equal(t, statusKey+"1 running; watchdog not fed: /shop/a: missed its heartbeat again after a restart", status[len(status)-1])
		time.Sleep(2 * time.Minute)
		status = systemd.take(statusKey)
		require.Equal(t, statusKey+"1 running", status[len(status)-1])
		require.Equal(t, 1, strings.Count(log.String(), "the watchdog is not fed any more"), log.String())
	})
}

func TestMissesAreBoundedAndForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root, _, _ := watched(t, supervisor.Spec{}, 0)
		serve(t, root)
		var m misses
		for i := range 2 * maxMisses {
			m.add(&supervisor.Event{Path: fmt.Sprint("/shop/c", i), Run: uint64(i), Time: time.Now()})
		}
		require.Len(t, m.of, maxMisses)
		require.NoError(t, m.stuck(root, time.Now()))
		require.Len(t, m.of, maxMisses, "their supervisor may be about to start again")
		require.NoError(t, m.stuck(root, time.Now().Add(wellAfter)))
		require.Empty(t, m.of, "there are no such children")
		synctest.Wait()
	})
}
