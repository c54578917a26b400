package share

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// spread returns how many shards each member has in a plan.
func spread(members int, plan []int32) (least, most int) {
	held := make([]int, members)
	for _, m := range plan {
		held[m]++
	}
	least = len(plan)
	for _, n := range held {
		least, most = min(least, n), max(most, n)
	}
	return least, most
}

func moved(owner, plan []int32) (n int) {
	for s, o := range owner {
		if o != Nobody && plan[s] != o {
			n++
		}
	}
	return n
}

// seedsOf returns the seeds of members m0, m1 and so on.
func seedsOf(members int) (seeds []uint64) {
	for i := range members {
		seeds = append(seeds, Seed(fmt.Sprint("m", i)))
	}
	return seeds
}

// No two members differ by more than one. No more shards move than it takes: each member
// gives up what it has beyond its part, and as many as possible keep one more.
func TestAPlanIsBalancedWithTheFewestMoves(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		members, shards := 1+random.IntN(12), 1+random.IntN(60)
		owner := make([]int32, shards)
		held := make([]int, members)
		for s := range owner {
			owner[s] = int32(random.IntN(members+1)) - 1
			if random.IntN(3) == 0 {
				owner[s] = 0 // one has most
			}
			if owner[s] != Nobody {
				held[owner[s]]++
			}
		}
		plan := Plan(seedsOf(members), owner)
		least, most := spread(members, plan)
		require.LessOrEqual(t, most-least, 1)

		fewest, more := 0, shards%members
		for _, n := range held {
			if over := n - shards/members; over > 0 {
				fewest += over
				if more > 0 {
					more--
					fewest--
				}
			}
		}
		require.Equal(t, fewest, moved(owner, plan), "%v", held)
		require.Equal(t, plan, Plan(seedsOf(members), owner), "others plan the same")
		require.Equal(t, plan, Plan(seedsOf(members), plan), "a plan that is carried out stays")
	}
}

func TestAPlanWithoutMembersLeavesAllAsItIs(t *testing.T) {
	require.Equal(t, []int32{Nobody, Nobody}, Plan(nil, []int32{Nobody, Nobody}))
}

// A group that starts again gives most shards to those that had them before.
func TestShardsPreferMembersByTheirNames(t *testing.T) {
	free := make([]int32, 1024)
	for s := range free {
		free[s] = Nobody
	}
	first := Plan(seedsOf(8), free)
	require.Equal(t, first, Plan(seedsOf(8), free))
	without := Plan(seedsOf(7), free)
	same := 0
	for s := range free {
		if first[s] == without[s] {
			same++
		}
	}
	require.Greater(t, same, 1024/2, "it would be an eighth by chance")
}

func TestMembersWithTheSameNameShareAlike(t *testing.T) {
	free := make([]int32, 10)
	for s := range free {
		free[s] = Nobody
	}
	least, most := spread(3, Plan([]uint64{7, 7, 7}, free))
	require.Equal(t, [2]int{3, 4}, [2]int{least, most})
}
