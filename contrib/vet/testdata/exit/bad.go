package exit

import (
	"context"
	"errors"
	"log"
	"os"
	"syscall"

	"github.com/coppice-go/coppice/child"
)

type db struct{ log *log.Logger }

func (d *db) Run(ctx child.Context) error {
	if err := connect(ctx); err != nil {
		log.Fatal(err) // want "log.Fatal ends the process"
	}
	defer func() {
		if ctx.Restarts() > 3 {
			os.Exit(1) // want "os.Exit ends the process"
		}
	}()
	d.log.Fatalf("%v", errBroken) // want "log.Fatalf ends the process"
	return nil
}

// A helper of a Run.
func (d *db) setUp(ctx child.Context, name string) {
	if name == "" {
		log.Fatalln("no name") // want "log.Fatalln ends the process"
	}
}

var spec = child.Spec{Name: "db", Run: func(ctx child.Context) error {
	syscall.Exit(1) // want "syscall.Exit ends the process"
	return nil
}}

var errBroken = errors.New("broken")

func connect(context.Context) error { return nil }
