package chaos

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Err is the failure that Play injects.
var Err = errors.New("chaos")

// A rascal is a child that Play has added. Its behaviour depends only on the seed, its name
// and the number of the run, so the order in which children draw does not matter.
type rascal struct {
	spec *Spec
	seed uint64
	runs atomic.Uint64
}

func (c *campaign) rascal(name string) *rascal {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return &rascal{spec: &c.spec, seed: h.Sum64() ^ c.spec.Seed}
}

func (r *rascal) Run(ctx child.Context) error {
	rng := rand.New(rand.NewPCG(r.seed, r.runs.Add(1)))
	starts, runs, stops := draw(rng, r.spec.StartTime), draw(rng, r.spec.RunTime), draw(rng, r.spec.StopTime)
	failsStart, failsRun := hit(rng, r.spec.FailStart), hit(rng, r.spec.FailRun)
	if child.Sleep(ctx, starts) {
		return nil
	}
	if failsStart {
		return Err
	}
	if err := ctx.Ready(); err != nil {
		return err
	}
	if r.spec.RunTime.Max == 0 {
		<-ctx.Done()
	} else if !child.Sleep(ctx, runs) {
		if failsRun {
			return Err
		}
		return nil
	}
	<-time.After(stops)
	return nil
}

// child returns the spec of a rascal. Without a backoff, a child that fails at once would
// fail forever at the same instant, so only a supervisor that permits few failures gets
// children without.
func (c *campaign) child(name string, few bool) child.Spec {
	spec := child.Spec{Name: name, Run: c.rascal(name).Run, StopTimeout: draw(c.rng, c.spec.StopTimeout)}
	switch {
	case hit(c.rng, c.spec.Permanent):
	case hit(c.rng, 0.5):
		spec.Restart = child.Transient
	default:
		spec.Restart = child.Temporary
	}
	if pause := draw(c.rng, millis(1, 20)); !few || hit(c.rng, 0.5) {
		spec.Backoff = child.Constant(pause)
	}
	return spec
}

// supervisor returns the spec of a nested supervisor.
func (c *campaign) supervisor(name string) child.Spec {
	inner := supervisor.Spec{
		Strategy: strategy.Strategy(c.rng.IntN(5)),
		Logger:   silent,
	}
	if hit(c.rng, 0.5) {
		inner.Intensity = strategy.AtMost(c.rng.IntN(6), draw(c.rng, millis(10, 5000))+1)
	}
	for i := range c.rng.IntN(4) {
		d := c.child("d"+string(rune('0'+i)), true)
		d.Run = c.rascal(name + "/" + d.Name).Run
		if d.Restart == child.Temporary {
			d.Restart = child.Transient
		}
		for _, before := range inner.Children {
			if edge := c.rng.IntN(3); inner.Strategy == strategy.Graph && edge == 1 {
				d.Needs = append(d.Needs, before.Name)
			} else if inner.Strategy == strategy.Graph && edge == 2 {
				d.After = append(d.After, before.Name)
			}
		}
		inner.Children = append(inner.Children, d)
	}
	sup := supervisor.New(inner)
	c.watch.declare(name, inner)
	return child.Spec{Name: name, Run: sup.Run, Backoff: child.Constant(draw(c.rng, millis(1, 20)))}
}

// draw draws from a span.
func draw(rng *rand.Rand, s Span) time.Duration {
	if s.Max == 0 {
		return 0
	}
	return s.Min + time.Duration(rng.Uint64N(uint64(s.Max-s.Min)+1)) // unsigned: Max may be child.Forever
}

// hit draws whether something happens that has the given chance.
func hit(rng *rand.Rand, chance float64) bool { return rng.Float64() < chance }
