package restart

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

type pool struct{ jobs *supervisor.Supervisor }

func newPool() *pool {
	return &pool{jobs: supervisor.New(supervisor.Spec{Strategy: strategy.Independent})}
}

type job struct{ n int }

func (j *job) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for i := range j.n {
		if ctx.ShouldHalt() {
			return nil
		}
		fmt.Println(i)
	}
	return nil
}

func (p *pool) submit(ctx context.Context, j *job) error {
	return p.jobs.StartChild(ctx, child.Spec{Name: child.UniqueName("job"), Run: j.Run}) // want "this child is Permanent"
}

var conns = supervisor.New(supervisor.Spec{Name: "conns", Strategy: strategy.Independent})

func connect(ctx context.Context, lines <-chan string) error {
	run := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		for {
			select {
			case <-ctx.Done():
				return nil
			case line, ok := <-lines:
				if !ok {
					return nil
				}
				fmt.Println(line)
			}
		}
	}
	spec := child.Spec{Name: child.UniqueName("conn"), Run: run}
	other := child.Spec{Name: child.UniqueName("conn"), Run: run, Restart: child.Temporary}
	return conns.StartChild(ctx, other, spec) // want "this child is Permanent"
}

func local(ctx context.Context) error {
	jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	return jobs.StartChild(ctx,
		child.Spec{Name: "a", Run: (&job{}).Run}, // want "this child is Permanent"
		child.Spec{Name: "b", Run: child.Plain(func(context.Context) error { // want "this child is Permanent"
			fmt.Println("done")
			return nil
		})})
}
