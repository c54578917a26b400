package blocking

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
)

type worker struct {
	jobs  chan int
	quit  chan struct{}
	every time.Duration
}

func (w *worker) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for job := range w.jobs { // want "never looks at ctx"
		fmt.Println(job)
	}
	return nil
}

func (w *worker) poll(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		if err := work(); err != nil {
			return err
		}
		time.Sleep(w.every) // want "never looks at ctx"
	}
}

func (w *worker) choose(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		select { // want "never looks at ctx"
		case job := <-w.jobs:
			fmt.Println(job)
		case <-w.quit:
			return nil
		}
	}
}

func tick(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C { // want "never looks at ctx"
		ctx.Heartbeat()
		if err := work(); err != nil {
			return err
		}
	}
	return nil
}

func serve(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return http.ListenAndServe("localhost:8080", nil) // want "never looks at ctx"
}

func accept(ctx child.Context) error {
	ln, err := net.Listen("tcp", "localhost:8080")
	if err != nil {
		return err
	}
	defer ln.Close()
	if err := ctx.Ready(); err != nil {
		return err
	}
	for {
		conn, err := ln.Accept() // want "never looks at ctx"
		if err != nil {
			return err
		}
		_ = conn.Close()
	}
}

func forever(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for { // want "never looks at ctx"
		_ = work()
	}
}

func nameless(child.Context) error {
	select {} // want "never looks at ctx"
}

func work() error { return nil }

func specs(w *worker) []child.Spec {
	return []child.Spec{{Run: w.Run}, {Run: w.poll}, {Run: w.choose}, {Run: tick}, {Run: serve}, {Run: accept}, {Run: forever}, {Run: nameless}}
}
