package goroutine

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/coppice-go/coppice/child"
)

type good struct {
	group sync.WaitGroup
	work  func()
}

func (g *good) Run(ctx child.Context) error {
	server := &http.Server{}
	deadline, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }() // the channel waits for it
	go func() { <-deadline.Done() }()               // it gets a context
	go worker(ctx)
	g.group.Add(1)
	go func() {
		defer g.group.Done()
		g.work()
	}()
	defer g.group.Wait()

	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	go func() { _, _ = ln.Accept() }() // ended by Close
	go g.loop()                        // its receiver has what it needs
	go func() { g.loop() }()
	go untilQuit()
	go g.work() // a function that is a value may do anything
	var wait sync.WaitGroup
	wait.Go(func() {})
	wait.Wait()
	if err := ctx.Ready(); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return server.Shutdown(ctx.Grace())
	}
}

func (g *good) loop() {}

var quit = make(chan struct{})

func untilQuit() { <-quit }

func worker(context.Context) {}

// This is no Run.
func unrelated() {
	go poll()
}
