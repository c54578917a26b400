// Quickstart is the program of the README: two children, one of which fails once.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func serve(ctx child.Context) error {
	fmt.Println(ctx.Path(), "up")         // set up
	defer fmt.Println(ctx.Path(), "down") // clean up
	if err := ctx.Ready(); err != nil {   // ready: the next child may start
		return err
	}
	if ctx.Path() == "/shop/api" && ctx.Restarts() == 0 {
		return fmt.Errorf("connection lost") // a failure: the supervisor restarts the child
	}
	<-ctx.Done() // work until asked to stop
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: serve}, {Name: "api", Run: serve}}})
	if err := root.Serve(ctx); err != nil {
		log.Fatal(err)
	}
}
