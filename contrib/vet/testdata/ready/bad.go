package ready

import (
	"context"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
)

type worker struct{ every time.Duration }

func (w *worker) Run(ctx child.Context) error { // want "never calls ctx.Ready"
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.every):
			if err := work(); err != nil {
				return err
			}
		}
	}
}

func serve(ctx child.Context) error { // want "never calls ctx.Ready"
	srv := &http.Server{}
	stop := context.AfterFunc(ctx, func() { _ = srv.Shutdown(ctx.Grace()) })
	defer stop()
	return srv.ListenAndServe()
}

var address child.Ref[string]

func wait(ctx child.Context) error { // want "never calls ctx.Ready"
	ctx.Status("waiting")
	address.Set(ctx, "localhost")
	<-ctx.Done()
	return context.Cause(ctx)
}

var specs = []child.Spec{
	{Name: "serve", Run: serve},
	{Name: "wait", Run: wait},
	{Name: "poll", Run: func(ctx child.Context) error { // want "never calls ctx.Ready"
		for !child.Sleep(ctx, time.Second) {
			if err := work(); err != nil {
				ctx.OnError(err)
				continueLater(nil)
			}
		}
		return nil
	}},
	{Name: "tick", Run: func(ctx child.Context) error { // want "never calls ctx.Ready"
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for range tick.C {
			if ctx.ShouldHalt() {
				return nil
			}
		}
		return nil
	}},
	{Name: "halt", Restart: child.Temporary, Run: func(ctx child.Context) error { // want "never calls ctx.Ready"
		deadline, cancel := context.WithTimeout(ctx, time.Hour) // which no function gets
		defer cancel()
		for !ctx.ShouldHalt() {
			_ = work()
		}
		return deadline.Err()
	}},
}

func work() error { return nil }

func continueLater(any) {}
