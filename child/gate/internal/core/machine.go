// Package core decides what a member of an election does. It takes events and returns
// actions. It has no goroutine, clock, channel, lock or log.
//
//	           Bid                 Won               a cause
//	Waiting ---------> Bidding ----------> Leading ----------> Stopping
//	   ^                  |                   |                    |
//	   |     failed       |                   | its own end        | what is guarded has ended
//	   +<-----------------+                   v                    v
//	   ^                                   Closing <---------------+
//	   |            no renewal under way      |
//	   |           +--------------------------+
//	   |           v
//	   +<----- Releasing          Waiting, Closing, Releasing -> Over: a stop, or an own end
//
// At most one bid, one renewal, one release and one question is under way at a time. What
// is asked for is always answered, also after it was cancelled, and a member is not Over
// before.
package core

import "time"

// A Phase is where a member is in its life.
type Phase uint8

const (
	Waiting   Phase = iota // no bid is wanted yet, or the last one was cancelled
	Bidding                // a bid is under way
	Leading                // what is guarded runs
	Stopping               // what is guarded was asked to stop
	Closing                // it has ended, and a renewal has not been answered yet
	Releasing              // the lease is being released
	Over
)

// A Cause is why what is guarded is stopped.
type Cause uint8

const (
	Kept      Cause = iota // it is not, or the run of the member itself is stopped
	InDanger               // the lease could end before a stop that begins later
	LostLease              // the engine says that the lease has ended
	Yielded                // a call of Yield
	Unready                // it was not ready for too long
)

// An Action is something that the shell must do.
type Action uint8

const (
	Bid         Action = iota + 1 // answered by Won or BidFailed
	CancelBid                     // the bid under way, which is answered nevertheless
	Ask                           // who holds the lease: answered by Answered
	CancelAsk                     // the question under way, which is answered nevertheless
	Lead                          // start what is guarded: answered by Ended
	Stop                          // stop what is guarded, because of Why
	Renew                         // answered by Renewed, RenewFailed or Lost
	CancelRenew                   // the renewal under way, which is answered nevertheless
	Release                       // answered by Released
	Refuse                        // report that the granted term does not fit
	End                           // the run of the member ends
)

// A Machine is one run of a member. Times count from any fixed moment.
type Machine struct {
	terms Terms
	phase Phase
	now   time.Duration

	stop  bool // the run was asked to stop
	drain bool // no bid any more

	bidding   bool
	cancelled bool // the bid under way
	asking    bool
	unasked   bool // the question under way was cancelled
	askAt     time.Duration

	rest     time.Duration // no bid before that
	onlyTime bool          // the rest does not end because another leads
	fails    int           // in a row

	endless   bool          // the lease does not end by itself
	end       time.Duration // before that, nobody else can hold the lease
	stopBy    time.Duration // when the stop must begin
	renewAt   time.Duration
	renewing  bool
	why       Cause
	lost      bool // the lease is not ours any more
	abandoned bool // something that was guarded has not stopped
	own       bool // what is guarded ended by itself
	yielded   bool
	led       time.Duration // since when
	unready   bool
	unreadyAt time.Duration // since when

	acts  [mostActs]Action // of the current event; an array, so that machines can be compared
	acted int
}

// mostActs is how many actions an event has at most.
const mostActs = 4

// A Rest is what one run of a member leaves to the next.
type Rest struct {
	Until    time.Duration // no bid before that
	OnlyTime bool          // also if another leads
	Fails    int           // in a row
}

// New returns the machine of a run.
func New(terms Terms, rest Rest) *Machine {
	return &Machine{terms: terms, rest: rest.Until, onlyTime: rest.OnlyTime, fails: rest.Fails}
}

// Phase returns the phase.
func (m *Machine) Phase() Phase { return m.phase }

// Why returns why what is guarded was stopped.
func (m *Machine) Why() Cause { return m.why }

// Terms returns the terms.
func (m *Machine) Terms() Terms { return m.terms }

// LeaseEnd returns the moment before which nobody else can hold the lease, and whether
// there is one.
func (m *Machine) LeaseEnd() (at time.Duration, ends bool) { return m.end, !m.endless }

// Rest returns what the next run needs. HeldBack reports whether it keeps this one from
// bidding.
func (m *Machine) Rest() Rest { return Rest{m.rest, m.onlyTime, m.fails} }

// HeldBack reports whether the member may not bid now, and until when at most.
func (m *Machine) HeldBack() (until time.Duration, held bool) {
	return m.rest, m.phase == Waiting && m.now < m.rest
}

// enter begins an event. The clock never goes back.
func (m *Machine) enter(now time.Duration) {
	m.now = max(m.now, now)
	m.acted = 0
}

func (m *Machine) do(a Action) {
	m.acts[m.acted] = a
	m.acted++
}

// leave ends an event. It does what is due, and returns the actions, which are valid until
// the next event.
func (m *Machine) leave() []Action {
	switch m.phase {
	case Waiting, Bidding:
		m.standBy()
	case Leading, Stopping:
		m.keep()
	}
	return m.acts[:m.acted]
}

// Tick says that time has passed. It starts the member, too.
func (m *Machine) Tick(now time.Duration) []Action {
	m.enter(now)
	return m.leave()
}

// StopAsked says that the run of the member was asked to stop, and what is guarded with it.
func (m *Machine) StopAsked(now time.Duration) []Action {
	m.enter(now)
	m.stop = true
	if m.phase == Leading {
		m.phase = Stopping
	}
	return m.leave()
}

// Draining says that the process is about to stop: no bid any more.
func (m *Machine) Draining(now time.Duration) []Action {
	m.enter(now)
	m.drain = true
	return m.leave()
}

// Yield asks the member not to lead until another has, or a term has passed.
func (m *Machine) Yield(now time.Duration) []Action {
	m.enter(now)
	switch m.phase {
	case Waiting, Bidding:
		m.restFor(m.terms.rest(), false)
	case Leading, Stopping, Closing, Releasing:
		m.yielded = true
		m.stopLeading(Yielded)
	}
	return m.leave()
}

// Next returns when Tick is needed at the latest, if no other event comes before.
func (m *Machine) Next() (at time.Duration, ok bool) {
	due := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	switch m.phase {
	case Waiting:
		if m.stop || m.drain || m.bidding || m.asking {
			return 0, false
		}
		due(m.rest)
		if !m.onlyTime {
			due(m.askAt)
		}
	case Leading, Stopping:
		if !m.renewing && m.renews() {
			due(m.renewAt)
		}
		if m.phase == Leading {
			if !m.endless {
				due(m.stopBy)
			}
			if m.unready && m.terms.Yield > 0 {
				due(add(m.unreadyAt, m.terms.Yield))
			}
		}
	}
	return at, ok
}
