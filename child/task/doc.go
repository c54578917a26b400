// Package task runs one-off work with results: a request to ten backends, a thousand files, a
// job whose result somebody waits for. The work runs in a Pool, which is a child of a
// supervisor. The pool bounds how much runs at the same time over all of its callers, and no
// work outlives it.
//
//	pool := task.New(task.Spec{Limit: 16, Timeout: 10 * time.Second})
//	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
//		{Name: "fetches", Run: pool.Run},
//		{Name: "api", Run: api.Run}, // uses the pool, so it is declared after it
//	}})
//
//	one := task.Go(ctx, pool, "one", fetchOne)
//	v, err := one.Wait(ctx)
//
//	for r := range task.Map(ctx, pool, slices.Values(urls), fetch) { // in order
//		if r.Err != nil {
//			return fmt.Errorf("%s: %w", r.In, r.Err) // what still runs is stopped and waited for
//		}
//	}
//
//	err := task.Each(ctx, pool, slices.Values(files), remove) // until the first error
//
// Work that lasts as long as the program is not a task: make it a child.
//
// # Contexts
//
// The context of a task is derived from that of the call: it has its values, and ends when
// that ends. It also ends
//
//   - when the pool is stopped; the cause is that of the pool,
//   - after Spec.Timeout, counted from the start of the function,
//   - when the loop over Map ends early, or Each returns, and
//   - for Go, when the function has returned.
//
// A function should return when its context is done. The pool waits for functions that do
// not, until its own stop timeout: then the pool's run is abandoned and reported like any other.
//
// # Errors
//
// A task that panics has an error that wraps *child.PanicError and begins with the path of the
// task, such as "/shop/fetches/one: panic: …". The items of Map and Each are called map-0,
// map-1 and each-0, each-1. runtime.Goexit is child.ErrGoexit in the same way. Both are bugs,
// so they are also reported by the pool's ctx.OnError. The pool goes on.
//
// If a function returns the error of its context, the cause of that context is added:
// "timed out after 10s", "stopped".
//
// Before the pool runs, and while it is restarted, calls wait for it. If it is gone for
// good, they fail with an error that wraps child.ErrGone. Tasks that were running, or
// waiting for their turn, when the pool ended are not repeated.
//
// # Tasks that use their own pool
//
// A task may call Go, Wait, Map and Each with the same pool, or with another one whose tasks
// use this one. There is no deadlock, even with a Limit of 1: while a task waits in one of
// these calls it does not count towards the Limit, so others run in its place. Afterwards it
// waits for its turn before it goes on, ahead of tasks that have not begun. For this the call
// must have the context of the task, or one derived from it.
//
// # Costs
//
// A task is a goroutine. It is not a child: it takes no name in the tree and is not
// restarted. The status text of the pool has the numbers, at most once a second: "3 of 16
// running, 2 waiting; 120 done, 1 failed".
package task
