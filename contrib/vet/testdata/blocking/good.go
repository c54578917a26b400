package blocking

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
)

type good struct{ jobs chan int }

func (g *good) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.jobs:
		}
	}
}

// Something else looks at ctx, and ends what blocks.
func closes(ctx child.Context) error {
	srv := &http.Server{Addr: "localhost:8080"}
	stop := context.AfterFunc(ctx, func() { _ = srv.Shutdown(ctx.Grace()) })
	defer stop()
	if err := ctx.Ready(); err != nil {
		return err
	}
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func closesListener(ctx child.Context) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "localhost:8080")
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = ln.Close()
	}()
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		if _, err := ln.Accept(); err != nil {
			return err
		}
	}
}

// Ready is also a way to ask.
func polls(ctx child.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C {
		if err := ctx.Ready(); err != nil {
			return err
		}
	}
	return nil
}

// A job that ends by itself need not look at ctx.
func job(ctx child.Context) error {
	results := make(chan int)
	done := ctx.Path()
	_ = done
	go func() {
		defer close(results)
		for i := range 10 {
			results <- i
		}
	}()
	for range results {
		_ = work()
	}
	queue := good{jobs: results}
	for range queue.jobs {
		_ = work()
	}
	for i := 0; i < 3; i++ {
		time.Sleep(time.Millisecond)
	}
	for {
		if work() == nil {
			break
		}
	}
	if err := ctx.Ready(); err != nil {
		return err
	}
	return child.ErrDone
}

var runs = []func(child.Context) error{closes, closesListener, polls, job}
