package supervisor_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// FuzzDurations puts durations and counts from both ends of their range into every field
// and method that takes one. Nothing panics, the times of a Status are sane, and the
// timers of siblings fall due in their time.
func FuzzDurations(f *testing.F) {
	for _, end := range []int64{
		math.MinInt64, math.MinInt64 + 1, -1, 0, 1, int64(time.Second),
		math.MaxInt64 / 2, math.MaxInt64 - int64(time.Hour), math.MaxInt64 - 1, math.MaxInt64,
	} {
		for field := range 7 {
			var d [7]int64
			d[field] = end
			for _, s := range []uint8{0, 1} {
				f.Add(d[0], d[1], d[2], d[3], d[4], d[5], d[6], s)
			}
		}
		f.Add(end, end, end, end, end, end, end, uint8(0))
		f.Add(end, end, end, end, end, end, end, uint8(1))
	}
	f.Fuzz(func(t *testing.T, startTimeout, stopTimeout, heartbeat, resetAfter, budget, pause, count int64, strat uint8) {
		synctest.Test(t, func(t *testing.T) {
			d := &extremes{
				T: t, pause: time.Duration(pause), count: int(count),
				root: supervisor.Spec{Logger: quiet, Strategy: restartAlone[strat%2], StopTimeout: time.Duration(budget)},
				spec: child.Spec{
					Name: "x", StartTimeout: time.Duration(startTimeout), StopTimeout: time.Duration(stopTimeout),
					Heartbeat: time.Duration(heartbeat), ResetAfter: time.Duration(resetAfter),
				},
			}
			d.play()
		})
	})
}

// restartAlone are the strategies under which what happens to one child is nothing to others.
var restartAlone = [...]strategy.Strategy{strategy.OneForOne, strategy.Independent}

// An extremes is a tree with one child whose spec is out of the ordinary, and siblings
// that are not.
type extremes struct {
	*testing.T
	root  supervisor.Spec
	spec  child.Spec
	pause time.Duration
	count int
}

func (d *extremes) play() {
	_ = strategy.AtMost(d.count, d.pause).Validate()
	d.tame()
	ready, crash, tries := make(chan struct{}), make(chan error), 0
	d.spec.Run = func(ctx child.Context) error {
		if tries++; tries > 5 { // it does not try for ever
			<-ctx.Done()
			return nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case err := <-crash:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	asked := 0
	d.spec.Backoff = func() child.BackoffPolicy {
		return policy(func() time.Duration {
			if asked++; asked > 5 {
				return child.Forever
			}
			return max(d.pause, 0) // else the supervisor would give up
		})
	}
	sup := supervisor.New(d.root)
	d.must(sup.Start(context.Background()))
	released := false
	deaf := &supervisortest.Child{StopAfter: child.Forever}
	defer func() {
		if !released {
			deaf.Release()
		}
		synctest.Wait()
	}()

	// x is starting, and so is a sibling, which takes too long.
	go func() { _ = sup.StartChild(context.Background(), d.spec) }()
	synctest.Wait()
	d.takes(time.Second, "StartTimeout", func() {
		err := sup.StartChild(context.Background(), child.Spec{Name: "late", Run: never, StartTimeout: time.Second})
		if !errors.Is(err, child.ErrStartTimeout) {
			d.Errorf("a sibling that is late: %v", err)
		}
	})
	d.look(sup)
	close(ready)
	synctest.Wait()

	// x is being stopped, and so is a sibling, which does not return.
	d.must(sup.StartChild(context.Background(), child.Spec{Name: "deaf", Run: deaf.Run, StopTimeout: 2 * time.Second}))
	d.look(sup)
	go func() { _ = sup.StopChild(context.Background(), "x") }()
	synctest.Wait()
	d.takes(2*time.Second, "StopTimeout", func() {
		if len(lost(sup.StopChild(context.Background(), "deaf"))) != 1 {
			d.Error("a sibling that does not stop is not abandoned")
		}
	})
	deaf.Release()
	released = true
	go func() { _ = sup.RestartChild(context.Background(), "x") }()
	synctest.Wait()

	// x waits as its backoff says, and a sibling hangs.
	if st, ok := sup.Lookup("x"); ok && st.State == child.Running {
		select {
		case crash <- errBoom:
		default: // it has ended since
		}
		synctest.Wait()
	}
	d.look(sup)
	hung := sup.Watch(d.Context(), "hangs", supervisor.EventHung)
	d.must(sup.StartChild(context.Background(), child.Spec{Name: "hangs", Run: idle, Heartbeat: 8 * time.Second, Restart: child.Temporary}))
	d.takes(8*time.Second, "Heartbeat", func() { <-hung })
	d.look(sup)
	time.Sleep(100 * 365 * 24 * time.Hour)
	d.look(sup)
	_ = sup.Health()
	d.takes(0, "Stop", func() {
		if err := sup.Stop(context.Background()); len(dirty(err)) > 0 {
			d.Errorf("stop: %v", err)
		}
	})
	d.look(sup)
}

// tame takes out of the specs what Validate must refuse.
func (d *extremes) tame() {
	valid := func() bool {
		spec := d.root
		one := d.spec
		one.Run = idle
		spec.Children = []child.Spec{one}
		return spec.Validate() == nil
	}
	negative := d.spec.StartTimeout < 0 || d.spec.StopTimeout < 0 && d.spec.StopTimeout != child.AtOnce ||
		d.spec.Heartbeat < 0 || d.spec.ResetAfter < 0 || d.root.StopTimeout < 0
	if valid() == negative {
		d.Errorf("valid: %v, negative: %v", valid(), negative)
	}
	for _, v := range []*time.Duration{&d.spec.StartTimeout, &d.spec.Heartbeat, &d.spec.ResetAfter, &d.root.StopTimeout} {
		*v = max(*v, 0)
	}
	if d.spec.StopTimeout < 0 {
		d.spec.StopTimeout = child.AtOnce
	}
}

func (d *extremes) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// takes checks how long something takes.
func (d *extremes) takes(want time.Duration, what string, f func()) {
	d.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took != want {
		d.Errorf("%s: after %v, not %v", what, took, want)
	}
}

// look looks at all that shows times.
func (d *extremes) look(sup *supervisor.Supervisor) {
	d.Helper()
	now := time.Now()
	_ = sup.AppendChildren(nil, d.count)
	for _, st := range sup.Children() {
		if st.Since.After(now) || st.LastErrorAt.After(now) {
			d.Errorf("in the future: since %v, last error at %v", st.Since, st.LastErrorAt)
		}
		if next := st.NextStart; !next.IsZero() && (next.Before(now) || next.Year() > 2400) {
			d.Errorf("next start at %v", next)
		}
	}
	if _, err := sup.Tree().MarshalJSON(); err != nil {
		d.Error(err)
	}
	if sup.Tree().String() == "" {
		d.Error("no text")
	}
}
