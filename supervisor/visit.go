package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A visit to the machine: enter, an event of the machine, leave.

// enter takes the lock for an event, and returns the time of the event.
func (l *life) enter() (now time.Duration) {
	l.lock()
	return l.entered()
}

// entered is enter for a caller that already holds l.mu.
func (l *life) entered() (now time.Duration) {
	l.subscribedKinds = l.subscribed()
	l.m.WantedKinds = machine.EventKinds(l.subscribedKinds | l.log.kinds() | l.failing.wanted() | l.whys.wanted(l.subscribedKinds))
	if l.subscribedKinds != 0 { // the clock is read once for both
		l.lastEvent.at = time.Now()
		return l.lastEvent.at.Sub(l.began)
	}
	l.lastEvent.at = time.Time{}
	return l.now()
}

// A step is one visit to the machine and the tasks that follow it.
type step struct {
	self  *run // a run that has ended on this goroutine; another run may take over the goroutine
	next  *run // the run that takes it over
	first task // kept apart: most steps have one task and need no slice
	more  []task
}

// note adds a task. It is not inlined, to keep perform's frame small: see Ready.
//
//go:noinline
func (s *step) note(what taskKind, r *run) {
	switch {
	case s.first.what == nothing:
		s.first = task{what, r}
		return
	case s.more == nil: // if there are two, there are usually many
		s.more = make([]task, 0, 8)
	}
	s.more = append(s.more, task{what, r})
}

// noted returns task number i, or nothing if there are fewer.
func (s *step) noted(i int) task {
	switch {
	case i == 0:
		return s.first
	case i <= len(s.more):
		return s.more[i-1]
	}
	return task{}
}

// reset removes the tasks, when all have been done.
func (s *step) reset() { s.first, s.more = task{}, s.more[:0] }

// A task is done after the lock is released. It names its run, so running it late is
// harmless. The cause of a run that was asked to stop no longer changes, so it is read
// without the lock.
type task struct {
	what taskKind
	run  *run
}

type taskKind uint8

const (
	nothing taskKind = iota
	cancelRun
	beginRun
	endGrace
	cancelNested
	abandonNested
	retryNow
	continueBatch // without a run
)

// do visits the machine with an event.
func (l *life) do(event func(now time.Duration)) {
	event(l.enter())
	l.leave()
}

// doAll visits the machine with n events under one lock.
func (l *life) doAll(n int, event func(i int, now time.Duration)) {
	if n == 0 {
		return
	}
	var s step
	now := l.enter()
	for i := range n {
		event(i, now)
		l.perform(&s)
		l.m.SameBatch = true // with the events after it
	}
	l.m.SameBatch = false
	l.unlock()
	l.runTasks(&s)
}

// leave carries out what the machine has decided after an event, and releases the lock.
func (l *life) leave() { l.leaveFor(nil) }

// leaveFor is leave for a run that has ended on this goroutine. It returns the run, if
// any, that must continue on this goroutine.
func (l *life) leaveFor(ended *run) (next *run) {
	s := step{self: ended}
	l.perform(&s)
	l.unlock()
	l.runTasks(&s)
	return s.next
}

// unlock ends a visit to the machine. It drops the stacks unless the next visit will
// abandon more runs.
func (l *life) unlock() {
	if !l.m.Abandoning() {
		l.dump = nil
	}
	l.countCrowd()
	l.mu.Unlock()
}

// adopt adds the tasks that takePosted has left, and forgets them there. It is not inlined, to
// keep perform's frame small.
//
//go:noinline
func (s *step) adopt(left *step) {
	if s.first.what == nothing {
		s.first, s.more = left.first, left.more
	} else {
		s.more = append(append(s.more, left.first), left.more...)
	}
	*left = step{}
}

// perform does, under the lock and in order, what neither blocks nor runs user code, and
// notes the rest as tasks.
func (l *life) perform(s *step) {
	if l.left.first.what != nothing && s != &l.left {
		s.adopt(&l.left)
	}
	for a := l.m.Next(); a != nil; a = l.m.Next() {
		switch a.Kind {
		case machine.Launch:
			l.launch(s, a.Child)
		case machine.Cancel:
			r := runOfChild(a.Child)
			r.ask(a.Why)
			s.note(cancelRun, r)
		case machine.Arm:
			if r := runOfChild(a.Child); a.Timer == machine.RetryTimer && a.Wait == 0 {
				s.note(retryNow, r)
			} else {
				r.arm(a.Timer, a.Wait)
			}
		case machine.Disarm:
			l.timers.disarm(runOfChild(a.Child))
		case machine.NextBackoff:
			l.nextBackoff(a.Child, a.Reset)
		case machine.Abandon:
			r := runOfChild(a.Child)
			r.abandon()
			if r.rare.number = a.Run; r.rare.grace != nil {
				s.note(endGrace, r)
			}
		case machine.CancelAll:
			s.note(cancelNested, runOfChild(a.Child))
		case machine.AbandonAll:
			s.note(abandonNested, runOfChild(a.Child))
		case machine.Continue:
			s.note(continueBatch, nil)
		case machine.Report:
			l.report(runOfChild(a.Child), a.Err)
		case machine.Inform:
			a.Waiter.Owner.(*call).hears(&runOfChild(a.Child).rareFields().wrong, a.Start)
		case machine.Answer:
			l.answer(a)
		case machine.Publish:
			l.publishAction(a)
		case machine.IsUp:
			l.publishPhase(EventUp) // before Start returns, so that a subscription made then does not receive it
			close(l.up)
		case machine.IsClosing:
			l.stopping = l.m.Now()
			if l.drain.timer != nil {
				l.drain.timer.Stop()
			}
			l.limitStop()
			if l.applying != nil {
				l.cutOffApply()
			}
			l.logAllHeld()
			l.publishPhase(EventClosing)
			l.wakeAll()
		case machine.IsOver:
			l.end()
			l.wakeAll()
		case machine.Retired:
			l.fates.wake(a.Child.Name())
		case machine.Changed:
			l.awaits.wake(a.Child.Name())
		}
	}
}

// runTasks runs what perform has noted, in order, starting runs included. An immediate
// retry, and each batch of a bulk start or stop, is an event of its own: runTasks takes
// the lock again in a loop rather than recursing.
func (l *life) runTasks(s *step) {
	for i := 0; ; i++ {
		switch t := s.noted(i); t.what {
		case nothing:
			return
		case beginRun:
			t.run.begin()
		case cancelRun:
			t.run.cancel(t.run.cause)
		case endGrace:
			t.run.endGrace()
		case cancelNested:
			if nested := t.run.nestedLife(); nested != nil {
				nested.cancelAll(t.run.cause)
			}
		case abandonNested:
			if nested := t.run.nestedLife(); nested != nil {
				nested.abandonAll(t.run.cause)
			}
		case retryNow:
			now := l.enter()
			l.m.Timer(t.run.child, t.run.number(), machine.RetryTimer, now)
			l.perform(s)
			l.unlock()
		case continueBatch:
			if s.noted(i+1).what == nothing { // the usual case
				s.reset()
				i = -1
			}
			l.m.Continue(l.enter())
			l.perform(s)
			l.unlock()
		}
	}
}
