package share

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"
)

// A world simulates members, an engine that they poll, and the network in between, in
// virtual time. It runs the machine and the group that real members run. What it adds is
// what package core decides for a real one: when to renew, and when a lease is in danger.
type world struct {
	random *rand.Rand
	now    time.Duration
	events events
	serial int

	shards  int
	group   *Group
	writes  int // requests that change something, renewals included
	all     []*proc
	running []*proc         // of each shard
	idle    int             // how many shards nobody runs
	since   []time.Duration // since when nobody runs each shard
	gap     time.Duration   // the longest time that nobody ran a shard
	fault   string
	lossy   bool // some replies are lost
	moves   []time.Duration
	stops   time.Duration // the longest stop of a shard
}

const (
	simTTL    = 15 * time.Second
	simRenew  = simTTL / 6
	simStop   = simTTL / 3
	simMargin = simStop + simTTL/12 + simTTL/20
	simPoll   = simTTL / 15
)

func simTerms(shards int) Terms {
	return Terms{Settle: simRenew, HoldDown: simTTL, Patience: simTTL / 3, Retry: simRenew / 4, Moves: max(shards/4, 12)}
}

// An event is something that happens at a moment.
type event struct {
	at time.Duration
	nr int
	do func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].nr < e[j].nr
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newWorld(seed uint64, shards int) *world {
	return &world{
		random: rand.New(rand.NewPCG(seed, 0)), shards: shards, group: NewGroup(0),
		running: make([]*proc, shards), since: make([]time.Duration, shards), idle: shards, stops: time.Second,
	}
}

func (w *world) after(d time.Duration, do func()) {
	w.serial++
	heap.Push(&w.events, event{w.now + max(d, 0), w.serial, do})
}

// run lets time pass.
func (w *world) run(d time.Duration) { w.until(w.now+d, func() bool { return false }) }

// until lets time pass until done, and reports whether that was before the end.
func (w *world) until(end time.Duration, done func() bool) bool {
	for w.fault == "" {
		if done() {
			return true
		}
		if len(w.events) == 0 || w.events[0].at > end {
			w.now = end
			return false
		}
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	return false
}

// clock is the clock of the engine.
func (w *world) clock() time.Time { return time.Unix(0, 0).Add(w.now) }

func (w *world) bury() { w.group.Bury(w.clock()) }

// latency is that of a request or a reply.
func (w *world) latency() time.Duration {
	return time.Millisecond + time.Duration(w.random.Int64N(int64(5*time.Millisecond)))
}

// A proc is a process with one member.
type proc struct {
	w       *world
	name    string
	life    int // raised by a crash, and by each membership: events of an earlier one do nothing
	up, cut bool
	stop    bool // it was asked to stop

	id       string
	m        *Machine
	base     time.Duration
	end      time.Duration // of the lease
	tickAt   time.Duration
	runs     map[int]int // of each shard that runs: the number of the run
	runNr    int
	stopping bool // all shards stop: the lease is in danger, or the process stops
	poll     int  // raised by each look: a poll of an earlier one does nothing
}

func (w *world) start(name string) *proc {
	p := &proc{w: w, name: name, up: true}
	w.all = append(w.all, p)
	p.join()
	return p
}

// begin returns a function that calls f unless the life has ended.
func (p *proc) begin(f func()) func() {
	life := p.life
	return func() {
		if p.life == life {
			f()
		}
	}
}

// call makes a request. It is answered with false if the request or the reply was lost. A
// request that has arrived is carried out even if nobody waits for it any more.
func (p *proc) call(write bool, carryOut func(), answered func(ok bool)) {
	w := p.w
	life := p.life
	answer := func(ok bool, in time.Duration) {
		w.after(in, func() {
			if p.life == life {
				answered(ok)
			}
		})
	}
	if p.cut {
		answer(false, simRenew)
		return
	}
	latency := w.latency()
	if w.lossy && w.random.IntN(50) == 0 { // held up, and carried out late
		latency += time.Duration(w.random.Int64N(int64(simTTL)))
		answer(false, simRenew)
		w.after(latency, func() { w.bury(); carryOut() })
		return
	}
	w.after(latency, func() {
		w.bury()
		carryOut()
		if write {
			w.writes++
		}
		if p.cut || w.lossy && w.random.IntN(50) == 0 {
			answer(false, simRenew)
			return
		}
		answer(true, w.latency())
	})
}

func (p *proc) join() {
	w := p.w
	p.life++
	p.m, p.stopping, p.runs = nil, false, make(map[int]int)
	p.id = fmt.Sprintf("%s#%d", p.name, p.life)
	sent := w.now
	id := p.id
	p.call(true, func() {
		w.group.Join(Member{ID: id, Name: p.name}, Layout{Shards: w.shards}, w.clock().Add(simTTL))
	}, func(ok bool) {
		if !ok {
			p.w.after(simRenew, p.begin(p.join))
			return
		}
		p.m, p.base = New(simTerms(w.shards), w.shards, p.id, 0), w.now
		p.extend(sent)
		p.w.after(simRenew, p.begin(p.renew))
		p.do(p.m.Tick(0))
	})
}

func (p *proc) extend(sent time.Duration) {
	p.end = sent + simTTL - simTTL/100
	end := p.end
	p.w.after(end-simMargin-p.w.now, p.begin(func() {
		if p.end == end && !p.stopping {
			p.endAll(false)
		}
	}))
}

func (p *proc) renew() {
	sent, found := p.w.now, false
	id := p.id
	p.call(true, func() { found = p.w.group.Renew(id, p.w.clock().Add(simTTL)) }, func(ok bool) {
		switch {
		case ok && !found && !p.stopping:
			p.endAll(false)
		case ok && found:
			p.extend(sent)
		}
		p.w.after(sent+simRenew-p.w.now, p.begin(p.renew))
	})
}

// endAll stops all shards. Then the member leaves, or joins again.
func (p *proc) endAll(release bool) {
	p.stopping = true
	p.do(p.m.Closing(p.w.now - p.base))
	for i := range p.w.shards {
		if nr, ok := p.runs[i]; ok {
			p.stopRun(i, nr)
		}
	}
	p.ended(release)
}

// ended waits until nothing runs any more.
func (p *proc) ended(release bool) {
	w := p.w
	if len(p.runs) > 0 {
		w.after(10*time.Millisecond, p.begin(func() { p.ended(release) }))
		return
	}
	if w.now > p.end && w.fault == "" {
		w.fault = fmt.Sprintf("%s had not stopped when its lease ended", p.id)
	}
	if release {
		id := p.id
		p.call(true, func() { w.group.Remove(id) }, func(bool) {})
		p.life++
		p.up, p.m = false, nil
		return
	}
	p.join()
}

// crash ends the process at once.
func (p *proc) crash() {
	for i := range p.runs {
		p.w.free(i)
	}
	p.life++
	p.up, p.m, p.runs = false, nil, nil
}

func (w *world) free(i int) {
	w.running[i] = nil
	w.since[i] = w.now
	w.idle++
}

// do carries out actions of the machine.
func (p *proc) do(actions []Action) {
	w := p.w
	for _, a := range actions {
		switch a.Kind {
		case Look:
			p.poll++
			p.look(a.After, p.poll)
		case CancelLook:
			p.poll++
			w.after(0, p.begin(func() { p.do(p.m.ViewFailed(w.now - p.base)) }))
		case ToClaim:
			var got []Claim
			there, id := false, p.id
			p.call(true, func() { got, there = w.group.Claim(id, a.Shards) }, func(ok bool) {
				if !ok || !there {
					p.do(p.m.RequestFailed(w.now - p.base))
					return
				}
				p.do(p.m.Claimed(got, w.now-p.base))
			})
		case ToCede:
			p.call(true, func() { w.group.Cede(a.Claims) }, p.answer(func() []Action { return p.m.Ceded(w.now - p.base) }))
		case ToLeave:
			id := p.id
			p.call(true, func() { w.group.Leave(id) }, p.answer(func() []Action { return p.m.Left(w.now - p.base) }))
		case Start:
			p.startRun(a.Shard)
		case Stop:
			if nr, ok := p.runs[a.Shard]; ok {
				if a.Why == Moves {
					w.moves = append(w.moves, w.now)
				}
				p.stopRun(a.Shard, nr)
			}
		}
	}
	if at, ok := p.m.Next(); ok && (p.tickAt <= w.now || p.base+at < p.tickAt) {
		p.tickAt = max(p.base+at, w.now+1)
		w.after(p.tickAt-w.now, p.begin(p.tick))
	}
}

// tick finds a machine that would spin.
func (p *proc) tick() {
	now := p.w.now - p.base
	actions := p.m.Tick(now)
	if at, ok := p.m.Next(); ok && at <= now && len(actions) == 0 && p.w.fault == "" {
		p.w.fault = fmt.Sprintf("%s: there is nothing to do, but the next tick is due now", p.id)
	}
	p.do(actions)
}

func (p *proc) answer(well func() []Action) func(bool) {
	return func(ok bool) {
		if !ok {
			p.do(p.m.RequestFailed(p.w.now - p.base))
			return
		}
		p.do(well())
	}
}

// look polls until the revision is higher.
func (p *proc) look(after int64, poll int) {
	w := p.w
	var v View
	news := false
	p.call(false, func() {
		if news = w.group.Revision() > after; news && p.poll == poll {
			v = w.group.View()
		}
	}, func(ok bool) {
		switch {
		case p.poll != poll:
		case !ok:
			p.do(p.m.ViewFailed(w.now - p.base))
		case news:
			p.do(p.m.Viewed(v, w.now-p.base))
		default:
			w.after(simPoll, p.begin(func() {
				if p.poll == poll {
					p.look(after, poll)
				}
			}))
		}
	})
}

func (p *proc) startRun(i int) {
	w := p.w
	if p.stopping {
		w.after(0, p.begin(func() { p.do(p.m.Stopped(i, w.now-p.base)) }))
		return
	}
	if w.running[i] != nil && w.fault == "" {
		w.fault = fmt.Sprintf("shard %d: %s starts it while %s runs it", i, p.id, w.running[i].id)
		return
	}
	w.running[i] = p
	w.idle--
	w.gap = max(w.gap, w.now-w.since[i])
	p.runNr++
	p.runs[i] = p.runNr
}

// stopRun lets a run end soon.
func (p *proc) stopRun(i, nr int) {
	w := p.w
	w.after(time.Duration(w.random.Int64N(int64(w.stops))), p.begin(func() {
		if p.runs[i] != nr {
			return
		}
		delete(p.runs, i)
		w.free(i)
		p.do(p.m.Stopped(i, w.now-p.base))
	}))
}

// balanced reports whether all shards run, and no two members differ by more than one.
func (w *world) balanced() bool {
	if w.idle > 0 {
		return false
	}
	least, most := w.shards, 0
	for _, p := range w.all {
		if p.up {
			least, most = min(least, len(p.runs)), max(most, len(p.runs))
		}
	}
	return most-least <= 1
}
