package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// FuzzSpec gives specs of all sorts to Validate, which never panics and reports
// path, field and problem of each fault. What it finds no fault with can be
// started and stopped; what it refuses is refused by Start in the same words.
func FuzzSpec(f *testing.F) {
	f.Add("", "a", uint8(0), uint8(0), uint8(0), uint8(0), 0, int64(0), int64(0), int64(0), false)
	f.Add("shop", "a", uint8(1), uint8(1), uint8(1), uint8(2), 1, int64(time.Second), int64(child.AtOnce), int64(1), true)
	f.Add("a/b", "\xff", uint8(4), uint8(9), uint8(3), uint8(3), -1, int64(-1), int64(-2), int64(-1), true)
	f.Add("b", "a", uint8(4), uint8(0), uint8(0), uint8(4), 0, int64(0), int64(0), int64(0), false)
	f.Add("x", "a", uint8(4), uint8(0), uint8(2), uint8(28), 0, int64(0), int64(0), int64(0), false)
	f.Fuzz(func(t *testing.T, name, childName string, strat, auto, restart, limit uint8, n int, period, stopTimeout, startTimeout int64, significant bool) {
		spec := supervisor.Spec{
			Name: name, Logger: quiet,
			Strategy:     strategy.Strategy(strat),
			AutoShutdown: strategy.AutoShutdown(auto),
			MaxChildren:  n,
			StopTimeout:  time.Duration(period),
			Children: []child.Spec{
				{
					Name: childName, Run: obedient, Restart: child.Restart(restart), Significant: significant,
					StopTimeout: time.Duration(stopTimeout), StartTimeout: time.Duration(startTimeout),
					Heartbeat: time.Duration(startTimeout), ResetAfter: time.Duration(period),
				},
				{Name: "b", Run: obedient},
			},
		}
		if edges := limit >> 2; spec.Strategy == strategy.Graph || edges&8 != 0 {
			if edges&1 != 0 {
				spec.Children[1].Needs = []string{childName}
			}
			if edges&2 != 0 {
				spec.Children[0].After = []string{"b"}
			}
			if edges&4 != 0 {
				spec.Children[1].After = []string{name}
			}
		}
		switch limit % 3 {
		case 1:
			spec.Intensity = strategy.AtMost(n, time.Duration(period))
		case 2:
			spec.Intensity = strategy.Unlimited()
		}
		synctest.Test(t, func(t *testing.T) {
			fault := spec.Validate()
			sup := supervisor.New(spec)
			err := sup.Start(context.Background())
			if fault != nil {
				if err == nil || err.Error() != fault.Error() {
					t.Errorf("Validate says %v, Start %v", fault, err)
				}
				checkFaults(t, fault)
				return
			}
			if err != nil {
				t.Errorf("a spec without fault does not start: %v", err)
			}
			if sup.Tree().String() == "" || sup.String() == "" {
				t.Error("it cannot be drawn")
			}
			if err := sup.Stop(context.Background()); err != nil && time.Duration(stopTimeout) != child.AtOnce {
				var left *supervisor.StopError
				if !errors.As(err, &left) {
					t.Errorf("stop: %v", err)
				}
			}
			synctest.Wait()
		})
	})
}

// checkFaults checks that each fault says what is wrong and where.
func checkFaults(t *testing.T, joined error) {
	all, ok := joined.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not a list: %T", joined)
	}
	for _, err := range all.Unwrap() {
		var fault *child.SpecError
		if !errors.As(err, &fault) || fault.Path == "" || fault.Field == "" || fault.Problem == "" {
			t.Errorf("a fault that does not say enough: %#v", err)
		}
	}
}

// obedient is a Run that is ready at once and stops when asked.
func obedient(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
