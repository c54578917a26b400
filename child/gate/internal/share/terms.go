package share

import "time"

// Terms are what a member goes by.
type Terms struct {
	Settle   time.Duration // a member that has joined claims nothing for this long, so that others can join
	HoldDown time.Duration // how long the members must have been the same before a shard moves
	Patience time.Duration // any member may claim a shard that was free for this long
	Retry    time.Duration // from a request that has failed to the next one
	Moves    int           // of the whole group per minute
}

const (
	// A request is about at most leastPerRequest shards, or one requestsForAll-th of all
	// shards if that is more.
	leastPerRequest = 256
	requestsForAll  = 16
	// failsToMove is how many times in a row a shard fails before it moves.
	failsToMove = 3
	// Healthy is how long a run takes at least that is not counted with the failures
	// before it.
	Healthy = time.Minute

	mostFailRest    = time.Minute
	forgetsFails    = 10 * time.Minute
	burst           = 5 * time.Second
	burstsPerMinute = 12 // the rate is lower by one of them
)

// failRest returns how long a member does not claim a shard that has failed under it, after
// the nth time in a row: longer than others take to claim it.
func (t *Terms) failRest(n int) time.Duration {
	least := max(3*t.Patience, time.Second)
	rest := least
	for ; n > 1 && rest < mostFailRest; n-- {
		rest *= 2
	}
	return max(least, min(rest, mostFailRest))
}

// A pace spreads moves over time. Any minute has Moves of them at most, and one per member.
type pace struct {
	full time.Duration // when all that may be moved at once may be moved again
}

// interval returns the time from one move of a member to the next.
func (t *Terms) interval(members int) time.Duration {
	each := max(time.Minute*time.Duration(members)/time.Duration(max(t.Moves, 1)), 1)
	return each + each/burstsPerMinute
}

// next returns when the member may move a shard.
func (p *pace) next(interval time.Duration) time.Duration {
	atOnce := max(burst/interval, 1)
	return p.full - (atOnce-1)*interval
}

// take counts a move.
func (p *pace) take(now, interval time.Duration) { p.full = max(p.full, now) + interval }
