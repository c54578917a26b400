// Package partition spreads keys over N like children, each of which owns a part of the
// keys: writers, caches, sequencers, consumers. All work on one key goes to one child, so it
// needs no lock and keeps its order.
//
//	writers := partition.New(partition.Spec[chan Row]{
//		N: 8,
//		Child: func(i int, offer *child.Ref[chan Row]) child.Spec {
//			return child.Spec{Name: fmt.Sprint("writer-", i), Run: func(ctx child.Context) error {
//				in := make(chan Row)
//				offer.Set(ctx, in)
//				if err := ctx.Ready(); err != nil {
//					return err
//				}
//				for {
//					select {
//					case row := <-in:
//						write(i, row)
//					case <-ctx.Done():
//						return nil
//					}
//				}
//			}}
//		},
//	})
//	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "writers", Run: writers.Run}}})
//
//	in, err := writers.For(ctx, "user-17") // waits while that writer is restarted
//
// The children run under a supervisor of their own, with any strategy. Each of them fails and
// is restarted as its supervisor.Spec says. Meanwhile the keys of the others are served.
//
// # What For returns
//
// For returns what the present run of the owner offers. That run may end a moment later, and
// then nobody receives from its channel: a send that waits for nothing else waits forever. So
// offer the Done channel of the run's context together with the channel. Select on both, and
// on the Done channel of your own context, and call For again when the run has ended. The
// example of Owners.For does that.
//
// A child must not wait for work on a key that it owns itself, directly or through others: it
// would wait for itself.
//
// # Which child owns a key
//
// The owner depends on the key and on N only: Index is the same in every process and for
// every release of this package, so it may be stored. The keys are spread by rendezvous
// hashing. With N children each owns about one key in N. Resize moves only the keys that it
// must: when a child is added, the keys that it takes over, and when one is removed, the keys
// that it had. Choose the key so that there are many more keys than children.
//
// # How many
//
// Choose N by how much one child can do, and not by the number of processors alone: a child
// that waits for a disk or for a database uses no processor. To find the owner of a key
// takes a few nanoseconds for each child, so N is at most 65,536. State that is only split
// to avoid a lock often needs no partitions, because Go has locks: a sharded map is faster
// than a channel. And a supervisor does not become slow with many children, so there is no
// need to partition a supervisor.
//
// # Resize
//
//	more   the new children are started, and are ready; then the keys move to them
//	fewer  the keys move away; then the last children are stopped and removed, in reverse order
//
// For returns the value of an owner that may be about to change, so work that was sent to
// the old owner may be done after work that was sent to the new one. If that matters, stop
// sending before the call of Resize, and hand over in the children: a child that is removed
// cleans up before Resize returns.
//
// While the owners do not run, Resize sets the number for the next run. A restart of their
// supervisor keeps the number.
package partition
