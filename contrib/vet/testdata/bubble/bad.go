package bubble

import (
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestWaits(t *testing.T) {
	orders := make(chan error) // want "orders is made outside of supervisortest.Run"
	var news = make(chan int)  // want "news is made outside of supervisortest.Run"
	many := make(chan int, 3)  // want "many is made outside of supervisortest.Run"
	supervisortest.Run(t, func() supervisor.Spec {
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
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
		news <- 1
		for range many {
		}
	})
}

func TestTable(t *testing.T) {
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{}) // want "done is made outside of supervisortest.Run"
			supervisortest.Run(t, tree, func(h *supervisortest.Harness) { <-done })
		})
	}
}

func TestFaults(t *testing.T) {
	orders := make(chan error) // want "orders is made outside of supervisortest.FaultTable"
	t.Log(supervisortest.FaultTable(t, func() supervisor.Spec {
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
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
	}))
}

func tree() supervisor.Spec { return supervisor.Spec{} }
