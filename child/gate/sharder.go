package gate

import "context"

// A Sharder is an Elector that can hold many shards under one lease: that of the member. A
// Shards needs one. Alone, sqlgate and etcdgate are Sharders, and package gatetest checks
// others.
//
// A group has a name, a layout, members and claims. A claim says that a member has a shard.
// Everything that changes a group raises its revision. What is read is never older than what
// was answered before.
type Sharder interface {
	Elector

	// Join makes a new member of the group, and returns its membership. All members of a
	// group have the same layout. While there are members with another layout, Join waits,
	// reports theirs with SeenLayout, and joins when the last of them has gone. When there
	// is no member, the layout of the group becomes that of the first one that joins, in
	// the same step.
	//
	// When ctx ends, or a request fails, Join returns an error, as Acquire does. Then it
	// leaves no member in the group, or one that ends with its term.
	Join(ctx context.Context, group string, layout Layout) (Membership, error)

	// Watch waits until the revision of the group is higher than that, and returns the group
	// as it is then. The end of a membership by its term is a change, too. After zero it
	// waits for nothing. A group that does not exist has revision 1, no members and no
	// layout. When ctx ends, Watch returns an error without delay: the stop of a member waits
	// for that.
	Watch(ctx context.Context, group string, after int64) (GroupView, error)
}

// A Layout says how keys are spread over shards. Members with different layouts never have
// shards at the same time.
type Layout struct {
	Shards  int // their number
	Version int // of the meaning of each
}

// A Membership is the lease of a member of a group. Its claims end with it: Release frees
// all of them, and so does the end of its term. A membership that has ended never comes
// back: Renew returns ErrLost.
//
// Claim, Cede and Leave are called one at a time, but at the same time as Renew. An error
// that wraps ErrLost says that the membership has ended. After any other error, the request
// may have been carried out or not, and may even be carried out later.
type Membership interface {
	Lease

	// ID returns what identifies the membership in a GroupView. No other has the same.
	ID() string

	// Claim gives this member those of the shards that nobody has. It returns the lease of
	// each, of which a Shards uses nothing but the token. The token is the revision of the
	// group after the claim, so it is higher than those of all earlier claims of the shard.
	// It need not give all: what is missing may be claimed again.
	Claim(ctx context.Context, shards []int) (map[int]Lease, error)

	// Cede frees shards, as far as they are still claimed with those tokens.
	Cede(ctx context.Context, claims []ShardClaim) error

	// Leave tells the other members that this one takes no more shards.
	Leave(ctx context.Context) error
}

// A GroupView is what an engine knows of a group.
type GroupView struct {
	Revision int64
	Layout   Layout
	Members  []GroupMember
	Claims   []ShardClaim
}

// A GroupMember is a member of a group.
type GroupMember struct {
	ID      string // of its membership
	Name    string // of the process, as in Holder
	Leaving bool   // it takes no more shards
}

// A ShardClaim says that a member has a shard.
type ShardClaim struct {
	Shard  int
	Member string // the ID of its membership
	Token  int64
}

// SeenLayout reports to the Shards that called Join which layout the members of the group
// have. ctx is that of Join. With any other context it does nothing.
func SeenLayout(ctx context.Context, l Layout) {
	if f, ok := ctx.Value(seenLayoutKey{}).(func(Layout)); ok {
		f(l)
	}
}

type seenLayoutKey struct{}
