package registry

import (
	"runtime"
	"sync/atomic"
	"weak"
)

// An entry whose run has ended is invisible at once, but it is still in memory. A callback on
// the context of each run would free it at once, and would take more memory than the entry
// itself. So a sweep looks for such entries once after each garbage collection, which is when
// their memory matters.
//
// A call starts the sweep, and not the collector: the contexts may belong to a synctest
// bubble, and asking a context that has ended from outside of its bubble is fatal.

// remembered is how many keys are kept of those whose owners are gone for good.
const remembered = 1024

// A sweeper is the state of the sweeps of a table.
type sweeper[K comparable, V any] struct {
	unique bool // a key has one owner, and its last one is remembered
	stage  atomic.Int32

	// gone are the keys whose owners are gone for good, the oldest first. Only the sweep uses
	// it.
	gone []keyed[K, V]
}

// The stages of a sweeper.
const (
	resting = iota // the table was empty
	waiting        // for the next garbage collection
	due            // for the next call
	sweeping
)

// A mark is an object that nothing refers to. It is collected by the next collection.
type mark struct{ _ *mark }

// arm makes a sweep due after the next garbage collection, if the sweeper rests.
func (t *table[K, V]) arm() {
	if t.sweeper.stage.Load() == resting && t.sweeper.stage.CompareAndSwap(resting, waiting) {
		t.awaitCollection()
	}
}

// awaitCollection does not keep the table in memory: one that is not needed any more is collected.
func (t *table[K, V]) awaitCollection() {
	runtime.AddCleanup(new(mark), func(of weak.Pointer[table[K, V]]) {
		if t := of.Value(); t != nil {
			t.sweeper.stage.Store(due)
		}
	}, weak.Make(t))
}

// sweepIfDue starts a sweep on a goroutine of its own: a call must not wait for it.
func (t *table[K, V]) sweepIfDue() {
	if t.sweeper.stage.Load() == due && t.sweeper.stage.CompareAndSwap(due, sweeping) {
		go t.sweep()
	}
}

// sweep removes what is left of runs that have ended, and waits for the next collection if
// the table is not empty.
func (t *table[K, V]) sweep() {
	for part := range t.parts {
		for _, k := range part {
			t.sweepKey(k.key, k.entries)
		}
	}
	for _, w := range t.watchers.all() {
		w.prune()
	}
	t.sweeper.stage.Store(resting)
	for range t.parts {
		t.arm()
		break
	}
}

func (t *table[K, V]) sweepKey(key K, entries []*entry[V]) {
	// The context of an owner may be a user's type. Its panic must not end the process here.
	defer func() { _ = recover() }()
	if !t.sweeper.unique {
		if kept := living(entries); !same(kept, entries) {
			t.swap(key, entries, kept, nil, nil)
		}
		return
	}
	e := entries[0]
	if e.alive() {
		return
	}
	before, isPast := e.owner.(*past)
	if !isPast {
		fate := fateOf(e.owner)
		if fate == nil {
			t.swap(key, entries, nil, nil, nil)
			return
		}
		before = &past{fate: fate}
		last := &entry[V]{owner: before}
		kept := last.alone()
		if !t.swap(key, entries, kept, nil, nil) {
			return
		}
		entries = kept
	}
	if before.queued {
		return
	}
	if gone, forget := before.fate.Gone(make(chan struct{}, 1)); !gone {
		forget()
		return
	}
	before.queued = true
	t.sweeper.gone = append(t.sweeper.gone, keyed[K, V]{key, entries})
	if len(t.sweeper.gone) > remembered {
		oldest := t.sweeper.gone[0]
		t.sweeper.gone = t.sweeper.gone[1:]
		t.swap(oldest.key, oldest.entries, nil, nil, nil)
	}
}
