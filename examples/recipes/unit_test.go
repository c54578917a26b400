package recipes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// poll is the child under test.
func poll(fetch func() error) func(child.Context) error {
	return child.Plain(func(ctx context.Context) error {
		for !child.Sleep(ctx, time.Minute) {
			if err := fetch(); err != nil {
				return err
			}
		}
		return nil
	})
}

// A child is a function, so a test can call it without a supervisor. In a bubble, an hour
// takes no real time.
func TestPollingEndsWithTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errFetch := errors.New("timeout")
		calls := 0
		run := poll(func() error {
			if calls++; calls == 60 {
				return errFetch
			}
			return nil
		})
		began := time.Now()
		if err := run(child.FromContext(t.Context())); err != errFetch {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("took %v", took)
		}
	})
}

// A test of the tree checks what follows a failure. Start stops the tree when the test
// ends, and fails the test if a run does not stop.
func TestPollingIsRestartedAfterAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := poll(func() error { return errors.New("timeout") })
		sup := supervisortest.Start(t, supervisor.Spec{
			Children: []child.Spec{{Name: "poll", Run: run, Backoff: child.Constant(time.Second)}},
		})
		events := supervisortest.Record(t, sup)
		events.Order(t, "start poll", "ready poll", "fail poll", "start poll", "ready poll")
	})
}
