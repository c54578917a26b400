package gate

import (
	"errors"
	"sync/atomic"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// guardedName is the name of what is guarded, below the gate's child.
const guardedName = "guarded"

// shardsName is that name if it is all shards of a member.
const shardsName = "shards"

// A guarded is Spec.Run under one lease. It is a child of a supervisor of its own, which
// bounds its stop, names what has not stopped, and turns a panic into an error.
type guarded struct {
	hold *hold
	sup  *supervisor.Supervisor
	own  atomic.Pointer[ending] // set if Spec.Run ended before it was asked to stop
}

// An ending is how what is guarded ended.
type ending struct {
	own       bool  // before it was asked to stop
	err       error // that Spec.Run returned, if own
	stop      error // what went wrong with its stop
	abandoned bool  // not everything has returned
}

func newGuarded(h *hold, g *Gate) *guarded {
	gd, name := &guarded{hold: h}, guardedName
	if g.shards != nil {
		name = shardsName
	}
	gd.sup = supervisor.New(supervisor.Spec{
		Name:         "gate",
		AutoShutdown: strategy.AnySignificant,
		Around:       h.around,
		StopTimeout:  g.terms.StopWithin, // also of a run that wraps a supervisor, and does more
		Children: []child.Spec{{
			Name:        name,
			Run:         g.spec.Run,
			Restart:     child.Temporary,
			Significant: true,
			StopTimeout: g.terms.StopWithin,
			Decide:      gd.decide,
		}},
	})
	return gd
}

// decide records an own end. For the supervisor it is a normal one: the gate returns the
// error, so it is reported, judged and restarted once, as a failure of the gate's child.
func (gd *guarded) decide(err error) error {
	if gd.hold.ctx.Err() != nil {
		return err // it is being stopped
	}
	gd.own.Store(&ending{own: true, err: err})
	return child.ErrDone
}

// run runs Spec.Run until it ends or the context of the hold does.
func (gd *guarded) run() ending {
	err := gd.sup.Run(child.FromContext(gd.hold.ctx))
	end := ending{stop: err}
	if own := gd.own.Load(); own != nil {
		end = *own
		end.stop = err
	} else if gd.hold.ctx.Err() == nil { // the supervisor could not run it
		end = ending{own: true, err: err}
	}
	end.abandoned = !gd.hold.close()
	return end
}

// failure returns the errors of an end that nobody returns.
func (e *ending) failure() error { return errors.Join(e.err, e.stop) }
