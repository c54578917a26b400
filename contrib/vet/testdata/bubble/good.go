package bubble

import (
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestInside(t *testing.T) {
	var orders chan error
	results := make(chan int, 10) // what has a buffer does not wait, and is read afterwards
	over := make(chan struct{})
	kept := make(chan int, 10)
	supervisortest.Run(t, func() supervisor.Spec {
		orders = make(chan error)
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			local := make(chan int, 1)
			local <- 1
			results <- <-local
			kept <- 1
			if err := ctx.Ready(); err != nil {
				return err
			}
			select {
			case err := <-orders:
				return err
			case <-ctx.Done():
				return nil
			}
		}}}}
	}, func(h *supervisortest.Harness) {
		done := make(chan struct{})
		go close(done)
		<-done
		close(over)
	})
	<-over
	<-results
}

// Something outside serves these.
func TestServed(t *testing.T) {
	questions, answers := make(chan int), make(chan int)
	go func() { answers <- <-questions }()
	supervisortest.Run(t, tree, func(h *supervisortest.Harness) {
		questions <- 1
		<-answers
	})
}

// Run uses the bubble of its caller.
func TestNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{}, 1)
		supervisortest.Run(t, tree, func(h *supervisortest.Harness) {
			close(done)
			<-done
		})
	})
	inBubble(t, func(t *testing.T) {
		done := make(chan struct{}, 1)
		supervisortest.Run(t, tree, func(h *supervisortest.Harness) {
			close(done)
			<-done
		})
	})
}

func inBubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
