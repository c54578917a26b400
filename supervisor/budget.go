package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A budget bounds the whole stop of a supervisor. After nine tenths of it all remaining
// runs are asked to stop; at its end the runs that have not returned are abandoned.
type budget struct {
	parts  [2]part // until cancelAll, until abandonAll
	spared bool    // it has been restarted, because the process stood still
}

type part struct {
	wait, due time.Duration
	timer     *time.Timer
}

// limitStop sets the timers for the whole stop. l.mu must be held.
func (l *life) limitStop() {
	limit := l.spec.StopTimeout
	if limit == 0 || limit == child.Forever {
		return
	}
	now := l.m.Now()
	set := func(p *part, wait time.Duration, f func(error)) {
		p.wait, p.due = wait, machine.After(now, wait)
		p.timer = time.AfterFunc(wait, func() {
			if !l.stoodStill(p) {
				f(nil)
			}
		})
	}
	set(&l.budget.parts[0], machine.MostOf(limit), l.cancelAll)
	set(&l.budget.parts[1], limit, l.abandonAll)
}

// stoodStill reports whether the timer of a part of the budget is so late that the
// process must have stood still. The whole budget then starts over, once: see slack.
func (l *life) stoodStill(late *part) bool {
	l.lock()
	defer l.mu.Unlock()
	b, now := &l.budget, l.now()
	switch {
	case l.isOver(), now < late.due: // everything has returned, or the other timer has restarted the budget
		return true
	case b.spared, now-late.due <= slack(late.wait):
		return false
	}
	b.spared = true
	for i := range b.parts {
		p := &b.parts[i]
		p.due = machine.After(now, p.wait)
		p.timer.Reset(p.wait)
	}
	return true
}

func (b *budget) end() {
	for _, p := range b.parts {
		if p.timer != nil {
			p.timer.Stop()
		}
	}
}
