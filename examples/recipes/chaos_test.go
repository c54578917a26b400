package recipes_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
	"github.com/coppice-go/coppice/supervisortest/chaos"
)

// Chaos crashes, hangs, restarts, adds and removes children at random for a minute of
// virtual time, and fails the test if the tree breaks a promise. The same seed gives the
// same run. With seed 0 each run has a new seed, which the test logs.
func TestTheTreeSurvivesChaos(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &supervisortest.Child{ReadyAfter: time.Second} // or the child of your program
		sup := supervisortest.Start(t, supervisor.Spec{
			Children: []child.Spec{{Name: "db", Run: db.Run}},
			Backoff:  child.Constant(100 * time.Millisecond),
		})
		report := chaos.Play(t, sup, chaos.Messy(1))
		if report.Started != report.Ended {
			t.Errorf("%d runs started, %d ended", report.Started, report.Ended)
		}
	})
}
