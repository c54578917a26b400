// Package registry finds runs by keys: the session of a user, the members of a room, the
// writer of a file. A key that is known when the program is written needs no registry: see
// child.Ref.
//
//	var (
//		sessions registry.Registry[string, *Conn] // one per user
//		rooms    registry.Groups[string, *Conn]   // many per room
//	)
//
//	func session(ctx child.Context) error {
//		c := dial(ctx)
//		if err := sessions.Register(ctx, user, c); err != nil {
//			return err // ErrTaken: another run owns the key
//		}
//		if err := rooms.Join(ctx, "lobby", c); err != nil {
//			return err
//		}
//		if err := ctx.Ready(); err != nil {
//			return err
//		}
//		<-ctx.Done()
//		return nil
//	}
//
//	c, err := sessions.Get(ctx, "ann")       // waits while the session is restarted
//	for c := range rooms.Members("lobby") {  // those that are there now
//		c.Send("hello")
//	}
//
// # Entries belong to runs
//
// Each entry belongs to the run whose context it was made with. It is withdrawn at the
// moment when that run is asked to stop, or ends, however it ends. From then on no call
// returns its value, and another run can register the key. A restart is another run, so
// Register belongs into Run. An entry made with a context that is derived from that of a
// run, by child.FromContext, ends with the derived context.
//
// A value that a call has returned before is not taken back: it may be a connection that is
// about to be closed.
//
// # Which call to use
//
//	Load     the value of the owner of a key; does not wait
//	Get      the same, but waits for the first owner, and while the owner is restarted
//	Members  the values that are in a group; does not wait
//	All      all entries
//	Watch    all entries, then each change
//
// Get returns child.ErrGone if the last owner of the key is gone for good. A registry does
// not remember all keys for ever: of those whose owners are gone, it keeps at least the
// last 1,024. An older one is like a key that was never registered, for which Get
// waits until its context ends.
//
// # Costs
//
// The zero Registry and the zero Groups are ready to use. All methods may be called by any
// number of goroutines. The keys are spread over 128 locks, no lock is held for longer than
// it takes to look at a part of the keys, and nothing that belongs to a caller is called
// under one. An entry takes less than 200 bytes, and its run needs neither a goroutine nor a
// callback for it. So the entry of a run that has ended stays in memory until the registry is
// next used after a garbage collection.
//
// In a test in a synctest bubble, make the registry in the bubble, too: it has the contexts of
// the runs, which belong to the bubble.
//
// Len, All and Watch look at every entry. A Watch takes up to 500 bytes more for each one.
package registry
