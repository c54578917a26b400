package exit

import (
	"context"
	"log"
	"os"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func run(ctx child.Context) error {
	if err := connect(ctx); err != nil {
		return child.Escalate(err)
	}
	return nil
}

// A main may.
func start() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "db", Run: run}}})
	if err := root.Serve(context.Background()); err != nil {
		log.Fatal(err)
	}
	os.Exit(0)
}

// A test may fail in a Run: that is a Goexit.
func inTest(t *testing.T) child.Spec {
	return child.Spec{Name: "db", Run: func(ctx child.Context) error {
		t.Fatal("failed")
		return nil
	}}
}

type other struct{}

func (other) Exit(int) {}

func exits(ctx child.Context) { other{}.Exit(1) }
