package observer

import (
	"context"
	"runtime"
	"sync"
	"time"
	"weak"

	"github.com/coppice-go/coppice/supervisor"
)

// A recorder owns the memory of one root and the subscription that feeds it. All observers
// of a root share it. It lives as long as its root: the root's subscription refers to it,
// and it refers to the root. Nothing else does for long: the table of all recorders and
// the timer refer to it weakly.
type recorder struct {
	memory *memory
	root   *supervisor.Supervisor

	mu        sync.Mutex
	observers int
	linger    time.Duration // the longest that an observer has asked for
	timer     *time.Timer   // cancels the subscription; nil while there are observers
	cancel    func()        // of the subscription; nil if there is none
	flush     func(context.Context) error
}

const (
	// delay is how long events wait to be remembered, unless somebody looks.
	delay = 20 * time.Millisecond
	// patience is how long a request for a view waits for them. The method of an error may
	// hang.
	patience = 100 * time.Millisecond
)

var recorders struct {
	sync.Mutex
	of map[weak.Pointer[supervisor.Supervisor]]weak.Pointer[recorder]
}

// recorderOf returns the recorder of a root. There is one for each.
func recorderOf(root *supervisor.Supervisor, keep int) *recorder {
	recorders.Lock()
	defer recorders.Unlock()
	key := weak.Make(root)
	if r := recorders.of[key].Value(); r != nil {
		r.memory.keep(keep)
		return r
	}
	if recorders.of == nil {
		recorders.of = map[weak.Pointer[supervisor.Supervisor]]weak.Pointer[recorder]{}
	}
	if _, known := recorders.of[key]; !known { // else the cleanup is in place
		runtime.AddCleanup(root, func(key weak.Pointer[supervisor.Supervisor]) {
			recorders.Lock()
			defer recorders.Unlock()
			delete(recorders.of, key)
		}, key)
	}
	r := &recorder{memory: newMemory(keep), root: root}
	recorders.of[key] = weak.Make(r)
	return r
}

// attach adds an observer, and subscribes if it is the first one. The result removes the
// observer. When the last one has been removed for as long as the longest linger, the
// subscription ends. What is remembered stays as long as something refers to it.
func (r *recorder) attach(linger time.Duration) (detach func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observers++
	r.linger = max(r.linger, linger)
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if r.cancel == nil {
		// Batches arrive one at a time in one subscription. Those of one that was cancelled
		// have all been delivered, or never are.
		r.memory.attach(time.Now())
		r.flush, r.cancel = r.root.SubscribeBatches(delay, r.see)
	}
	return sync.OnceFunc(r.detach)
}

// see remembers events. If the method of an error ends the goroutine, that event alone is
// missing.
func (r *recorder) see(events []supervisor.Event) {
	seen := 0
	defer func() {
		if seen < len(events) {
			r.see(events[seen:])
		}
	}()
	for seen < len(events) {
		seen++
		r.memory.see(events[seen-1])
	}
}

// catchUp returns when the events until now are remembered, or after a moment of patience.
func (r *recorder) catchUp(ctx context.Context) {
	r.mu.Lock()
	flush := r.flush
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = flush(ctx) // what is missing then is shown later
}

func (r *recorder) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.observers--; r.observers > 0 {
		return
	}
	at := weak.Make(r)
	r.timer = time.AfterFunc(r.linger, func() {
		if r := at.Value(); r != nil {
			r.unsubscribe()
		}
	})
}

// unsubscribe ends the subscription unless an observer has come back. It waits for the event
// that is being delivered, without the lock: an error's method may be running in it.
func (r *recorder) unsubscribe() {
	r.mu.Lock()
	cancel := r.cancel
	if r.observers > 0 || r.timer == nil {
		r.mu.Unlock()
		return
	}
	r.cancel, r.timer = nil, nil
	r.mu.Unlock()
	cancel()
}
