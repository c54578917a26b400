package core

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The exploration plays a machine against every order of events that its world permits, and
// checks the rules after each. Time passes in steps of a second.

var worldTerms = Terms{
	TTL: 12 * time.Second, Renew: 2 * time.Second, Request: 2 * time.Second,
	Stop: 3 * time.Second, Release: time.Second, Slack: time.Second, Yield: 4 * time.Second,
}

// A world is the surroundings of one machine.
type world struct {
	m         Machine
	now       time.Duration
	bidAt     time.Duration
	renewAt   time.Duration
	bid       bool
	bidGone   bool // it was cancelled
	ask       bool
	askGone   bool
	renewal   bool
	release   bool
	running   bool
	stopping  bool // what is guarded was asked to stop
	stopAt    time.Duration
	holds     bool          // the engine may think that the lease is ours
	end       time.Duration // of the lease, by the last answer; zero: none
	lost      bool
	left      bool // something was abandoned under the lease
	stop      bool
	drain     bool
	over      bool
	yielded   time.Duration // no start before that, unless another leads
	suspected bool
	trace     string
}

// A move is one event.
type move struct {
	name string
	play func(w *world) []Action
}

// moves returns the events that are possible now.
func (w *world) moves() (all []move) {
	can := func(name string, play func(w *world) []Action) { all = append(all, move{name, play}) }
	if w.over {
		return nil
	}
	if !(w.running && w.stopping && w.now >= w.stopAt+worldTerms.Stop) { // the shell keeps the bound of the stop
		can("second", func(w *world) []Action {
			at, ok := w.m.Next()
			w.now += time.Second
			acts := w.m.Tick(w.now)
			if len(acts) > 0 && !(ok && at <= w.now) {
				w.fail("Next says when a Tick is needed")
			}
			if at, ok := w.m.Next(); ok && at <= w.now {
				w.fail("a Tick does all that is due")
			}
			return acts
		})
	}
	if w.bid {
		can("bid-failed", func(w *world) []Action { w.bid = false; return w.m.BidFailed(w.now) })
		for _, ttl := range []time.Duration{worldTerms.TTL, 5 * time.Second, 0} {
			can(fmt.Sprint("won ", ttl), func(w *world) []Action {
				w.bid, w.holds, w.lost, w.left, w.suspected = false, true, false, false, false
				w.granted(w.bidAt, ttl)
				return w.m.Won(w.bidAt, ttl, w.now)
			})
		}
	}
	if w.ask {
		for _, other := range []bool{false, true} {
			can(fmt.Sprint("answered ", other), func(w *world) []Action {
				w.ask = false
				if other {
					w.yielded = 0
				}
				return w.m.Answered(other, w.now)
			})
		}
	}
	if w.renewal {
		can("renewed", func(w *world) []Action {
			w.renewal = false
			w.suspected = false
			ttl := worldTerms.TTL
			if w.end == 0 {
				ttl = 0
			}
			if !w.lost {
				w.granted(w.renewAt, ttl)
			}
			return w.m.Renewed(w.renewAt, ttl, w.now)
		})
		can("renew-failed", func(w *world) []Action { w.renewal = false; return w.m.RenewFailed(w.now) })
		can("renew-lost", func(w *world) []Action { w.renewal, w.lost = false, true; return w.m.Lost(true, w.now) })
	}
	if w.release {
		can("released", func(w *world) []Action { w.release, w.holds = false, false; return w.m.Released(w.now) })
	}
	if w.running {
		can("ended", func(w *world) []Action { w.running = false; return w.m.Ended(false, w.now) })
		if w.stopping {
			can("abandoned", func(w *world) []Action { w.running, w.left = false, true; return w.m.Ended(true, w.now) })
		}
		can("unready", func(w *world) []Action { return w.m.Ready(false, w.now) })
		can("ready", func(w *world) []Action { return w.m.Ready(true, w.now) })
		if !w.suspected {
			can("suspected", func(w *world) []Action { w.suspected = true; return w.m.Suspected(w.now) })
		}
	}
	if w.holds && !w.lost {
		can("lost", func(w *world) []Action { w.lost = true; return w.m.Lost(false, w.now) })
	}
	if !w.drain {
		can("draining", func(w *world) []Action { w.drain = true; return w.m.Draining(w.now) })
	}
	if w.yielded <= w.now {
		can("yield", func(w *world) []Action {
			w.yielded = w.now + worldTerms.TTL
			return w.m.Yield(w.now)
		})
	}
	if !w.stop {
		can("stop", func(w *world) []Action {
			w.stop = true
			if w.running {
				w.askStop()
			}
			return w.m.StopAsked(w.now)
		})
	}
	return all
}

func (w *world) granted(sent, ttl time.Duration) {
	if w.end = 0; ttl > 0 {
		w.end = sent + ttl
	}
}

func (w *world) askStop() {
	if !w.stopping {
		w.stopping, w.stopAt = true, w.now
	}
}

func (w *world) fail(format string, args ...any) {
	panic(fmt.Sprintf(format, args...) + "\nafter: " + w.trace)
}

// play plays a move, carries out the actions, and checks the rules.
func (w *world) play(v move) {
	w.trace += v.name + ", "
	for _, a := range v.play(w) {
		w.carryOut(a)
	}
	w.m.acts, w.m.acted = [mostActs]Action{}, 0
	if w.running && w.end > 0 && w.now >= w.end && !w.left {
		w.fail("nothing runs when the lease can end")
	}
	if w.running != (w.m.phase == Leading || w.m.phase == Stopping) {
		w.fail("the phase says whether something runs")
	}
}

func (w *world) carryOut(a Action) {
	if w.over {
		w.fail("nothing happens after the end")
	}
	switch a {
	case Bid:
		if w.bid || w.ask || w.stop || w.drain || w.running || w.release || w.now < w.yielded {
			w.fail("a bid that must not be")
		}
		w.bid, w.bidGone, w.bidAt = true, false, w.now
	case CancelBid:
		if !w.bid || w.bidGone {
			w.fail("a bid is cancelled once")
		}
		w.bidGone = true
	case Ask:
		if w.ask || w.bid {
			w.fail("one request of a member at a time")
		}
		w.ask, w.askGone = true, false
	case CancelAsk:
		if !w.ask || w.askGone {
			w.fail("a question is cancelled once")
		}
		w.askGone = true
	case Lead:
		if w.running || w.stop || w.drain || w.bidGone || !w.holds || w.lost || w.now < w.yielded {
			w.fail("a start that must not be")
		}
		if w.end > 0 && w.now+worldTerms.Margin() > w.end {
			w.fail("a start for which there is no time")
		}
		w.running, w.stopping = true, false
	case Stop:
		if !w.running || w.stopping {
			w.fail("what runs is stopped once")
		}
		w.askStop()
	case Renew:
		if w.renewal || !w.running {
			w.fail("a renewal that must not be")
		}
		w.renewal, w.renewAt = true, w.now
	case CancelRenew:
		if !w.renewal {
			w.fail("no renewal to cancel")
		}
	case Release:
		if w.running || w.left || w.renewal || w.release || w.lost || !w.holds {
			w.fail("a release that must not be")
		}
		w.release = true
	case Refuse:
		if w.end == 0 || w.end-w.bidAt >= worldTerms.TTL {
			w.fail("a term that fits is refused")
		}
	case End:
		if w.bid || w.ask || w.renewal || w.release || w.running {
			w.fail("the end leaves something under way")
		}
		w.over = true
	}
}

// ends checks that a stop ends the run, whatever the state, once everything is answered.
func (w world) ends() {
	for range 20 {
		if w.over {
			return
		}
		for _, v := range w.moves() {
			switch v.name {
			case "stop", "bid-failed", "answered false", "renew-failed", "released", "ended":
				w.play(v)
			default:
				continue
			}
			break
		}
	}
	w.fail("a stop ends the run")
}

// key identifies the state without its age.
func (w *world) key() world {
	k := *w
	k.trace = ""
	past := func(t *time.Duration) { *t = max(*t-w.now, -worldTerms.TTL-time.Second) }
	some := func(t *time.Duration) { // zero means none
		if *t != 0 {
			past(t)
		}
	}
	for _, t := range []*time.Duration{
		&k.m.now, &k.m.askAt, &k.m.end, &k.m.stopBy, &k.m.renewAt, &k.m.led, &k.m.unreadyAt, &k.bidAt, &k.renewAt, &k.stopAt,
	} {
		past(t)
	}
	some(&k.end)
	k.m.rest, k.yielded = max(0, k.m.rest-w.now), max(0, k.yielded-w.now)
	k.now = 0
	return k
}

func newWorld() *world {
	w := &world{m: *New(worldTerms, Rest{})}
	w.play(move{"start", func(w *world) []Action { return w.m.Tick(w.now) }})
	return w
}

func TestTheRulesHoldInEveryOrderOfEvents(t *testing.T) {
	states := 60_000
	if testing.Short() {
		states = 5_000
	}
	queue := []*world{newWorld()}
	seen := map[world]bool{queue[0].key(): true}
	for len(queue) > 0 && len(seen) < states {
		w := queue[0]
		queue = queue[1:]
		w.ends()
		for _, v := range w.moves() {
			next := *w
			next.play(v)
			if k := next.key(); !seen[k] {
				seen[k] = true
				queue = append(queue, &next)
			}
		}
	}
	require.GreaterOrEqual(t, len(seen), states, "the exploration has fewer states than it may look at")
	t.Logf("%d states", len(seen))
}

func TestTheRulesHoldInRandomWalks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	longest := 0
	for range 1_000 {
		w := newWorld()
		for range 200 {
			moves := w.moves()
			if len(moves) == 0 {
				break
			}
			v := moves[random.IntN(len(moves))]
			if v.name == "stop" && random.IntN(50) > 0 || v.name == "draining" && random.IntN(20) > 0 || random.IntN(2) == 0 {
				v = moves[0] // mostly time passes
			}
			w.play(v)
		}
		w.ends()
		longest = max(longest, strings.Count(w.trace, ","))
	}
	require.Greater(t, longest, 100)
}
