package bench

import (
	"context"
	"log/slog"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var (
	quiet = slog.New(slog.DiscardHandler)
	bg    = context.Background()
)

func idle(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

type coppice struct{ sup *supervisor.Supervisor }

func newCoppice(s strategy.Strategy) maker {
	return func(n int) crew {
		spec := supervisor.Spec{Strategy: s, Logger: quiet}
		if n > 0 {
			spec.Children = make([]child.Spec, n)
		}
		for i := range spec.Children {
			spec.Children[i] = child.Spec{Name: names[i], Run: idle}
		}
		sup := supervisor.New(spec)
		must(sup.Start(bg))
		return coppice{sup}
	}
}

func (c coppice) add(i int)    { must(c.sup.StartChild(bg, child.Spec{Name: names[i], Run: idle})) }
func (c coppice) remove(i int) { must(c.sup.RemoveChild(bg, names[i])) }
func (c coppice) stop()        { must(c.sup.Stop(bg)) }
