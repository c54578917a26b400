package share

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// Nobody is the owner of a shard that no member has.
const Nobody int32 = -1

// Plan returns which member should have each shard. Members are numbers: seeds has the seed
// of each, and owner the member that has each shard now, or Nobody. All members that see
// the same plan the same.
//
// Each of M members should have N/M shards, rounded down. The N%M that have most now should
// have one more. What a member has beyond that, and what nobody has, goes to those that have
// less. So there are as few moves as possible, and none if no two members differ by more
// than one. Which shards a member gives up and gets depends on the weights, so that members
// with the same names get mostly the same shards again.
func Plan(seeds []uint64, owner []int32) []int32 {
	plan := slices.Clone(owner)
	if len(seeds) == 0 {
		return plan
	}
	room := rooms(len(seeds), owner)
	for m := range seeds {
		if room[m] < 0 {
			giveUp(plan, seeds[m], int32(m), -room[m])
		}
	}
	var under []int32 // members that should get more
	for m := range seeds {
		if room[m] > 0 {
			under = append(under, int32(m))
		}
	}
	for s, m := range plan {
		if m != Nobody || len(under) == 0 {
			continue
		}
		best := 0
		for i := range under {
			if weight(seeds[under[i]], s) > weight(seeds[under[best]], s) {
				best = i
			}
		}
		m = under[best]
		plan[s] = m
		if room[m]--; room[m] == 0 {
			under = slices.Delete(under, best, best+1)
		}
	}
	return plan
}

// rooms returns how many shards each member should get, or, if negative, give up.
func rooms(members int, owner []int32) []int {
	held := make([]int, members)
	for _, m := range owner {
		if m != Nobody {
			held[m]++
		}
	}
	order := make([]int, members) // the members with the most shards first
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return held[b] - held[a] })
	room := make([]int, members)
	for i, m := range order {
		room[m] = len(owner)/members - held[m]
		if i < len(owner)%members {
			room[m]++
		}
	}
	return room
}

// giveUp takes those n shards from a member that prefer it least.
func giveUp(plan []int32, seed uint64, m int32, n int) {
	var mine []int
	for s, o := range plan {
		if o == m {
			mine = append(mine, s)
		}
	}
	slices.SortFunc(mine, func(a, b int) int { return cmp.Compare(weight(seed, a), weight(seed, b)) })
	for _, s := range mine[:n] {
		plan[s] = Nobody
	}
}

// Seed returns the seed of a member with that name.
func Seed(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

// weight says how much a shard prefers a member: rendezvous hashing. It is the mixing
// function of SplitMix64.
func weight(seed uint64, shard int) uint64 {
	z := seed + uint64(shard+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
