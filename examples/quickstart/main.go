// Quickstart is the program of the README: two children, one of which fails
// once and is restarted; Ctrl-C stops them in order.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func db(ctx child.Context) error {
	fmt.Println("db: open")             // set up
	defer fmt.Println("db: closed")     // clean up, beside it
	if err := ctx.Ready(); err != nil { // I am up: the next child may start
		return err
	}
	<-ctx.Done() // work, until asked to stop
	return nil
}

func worker(ctx child.Context) error {
	fmt.Println("worker: up")
	defer fmt.Println("worker: down")
	if err := ctx.Ready(); err != nil {
		return err
	}
	for job := 1; job <= 3; job++ {
		fmt.Println("worker: job", job)
		if job == 2 && ctx.Restarts() == 0 {
			return errors.New("job 2 failed") // a failure: I am restarted
		}
	}
	<-ctx.Done()
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills

	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Strategy: strategy.RestForOne, // who fails takes along those after it
		Children: []child.Spec{
			{Name: "db", Run: db},
			{Name: "worker", Run: worker},
		},
	})
	if err := root.Serve(ctx); err != nil {
		log.Fatal(err)
	}
}
