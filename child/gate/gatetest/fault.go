package gatetest

// A fault makes a Member break the contract of gate.Elector in one way. Conform must find
// each of them.
type fault string

const (
	ignoresHolder    fault = "gives a lease that another holds"
	repeatsToken     fault = "sometimes gives a token again"
	forgetsToken     fault = "counts tokens from one when the row was deleted"
	revives          fault = "renews a lease that is another's by now"
	hidesLoss        fault = "does not say that a lease was lost"
	hidesErrors      fault = "says that a renewal has succeeded that was not answered"
	releasesOthers   fault = "releases the lease of any holder"
	keepsReleased    fault = "does not release"
	leavesBid        fault = "leaves a lease behind when a bid is cancelled"
	countsFromAnswer fault = "counts the term from the answer"
	ignoresGrant     fault = "reports the term asked for, not the one granted"
	waitsForever     fault = "waits for an answer for as long as the bid may wait"
	ownClock         fault = "ends leases by the clocks of the members"

	takesShards       fault = "gives shards that others have"
	keepsCeded        fault = "does not free a shard that is ceded"
	cedesOthers       fault = "frees a shard that another member has"
	repeatsShardToken fault = "gives all shards of a member the same tokens again"
	revivesMembers    fault = "renews a membership that has ended"
	claimsAfterEnd    fault = "gives shards to a membership that has ended"
	hidesLeaving      fault = "does not show which members leave"
	joinsForever      fault = "waits for the answer to a Join for as long as that may wait"
	countsJoin        fault = "counts the term of a member from the answer"
	forgetsJoins      fault = "forgets members of a group that has just begun"
	leavesJoin        fault = "leaves a member that does not end in the group when a Join is not answered"
	mixesLayouts      fault = "lets members with another layout join"
)

var faults = []fault{
	ignoresHolder, repeatsToken, forgetsToken, revives, hidesLoss, hidesErrors, releasesOthers, keepsReleased, leavesBid,
	countsFromAnswer, ignoresGrant, waitsForever, ownClock,
	takesShards, keepsCeded, cedesOthers, repeatsShardToken, revivesMembers, claimsAfterEnd, hidesLeaving, mixesLayouts,
	joinsForever, countsJoin, forgetsJoins, leavesJoin,
}
