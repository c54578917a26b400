package bench

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	keyreg "github.com/coppice-go/coppice/child/registry"
)

// A lookup is an implementation of keys with owners.
type lookup interface {
	register(key string, v *int)
	load(key string) *int
	remove(key string)
}

// lookups makes each implementation. All entries belong to the run of ctx.
func lookups(ctx child.Context) map[string]func() lookup {
	return map[string]func() lookup{
		"registry": func() lookup { return &ourLookup{ctx: ctx} },
		"sharded":  func() lookup { return newShardedMap(ctx) },
		"map":      func() lookup { return &lockedMap{ctx: ctx, values: make(map[string]*int)} },
		"sync.Map": func() lookup { return new(syncMap) },
	}
}

type ourLookup struct {
	ctx child.Context
	keyreg.Registry[string, *int]
}

func (o *ourLookup) register(key string, v *int) { must(o.Register(o.ctx, key, v)) }
func (o *ourLookup) remove(key string)           { o.Unregister(o.ctx, key) }

func (o *ourLookup) load(key string) *int {
	v, _ := o.Load(key)
	return v
}

// shardedMap is the hand-written floor: as many locks as the registry has, and a look at the
// context of the owner, which each entry has.
type shardedMap struct {
	ctx    context.Context
	seed   maphash.Seed
	shards [128]struct {
		sync.RWMutex
		values map[string]owned
		_      [64]byte
	}
}

type owned struct {
	v     *int
	owner context.Context
}

func newShardedMap(ctx context.Context) *shardedMap {
	m := &shardedMap{ctx: ctx, seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].values = make(map[string]owned)
	}
	return m
}

func (m *shardedMap) register(key string, v *int) {
	s := &m.shards[maphash.String(m.seed, key)%uint64(len(m.shards))]
	s.Lock()
	s.values[key] = owned{v, m.ctx}
	s.Unlock()
}

func (m *shardedMap) load(key string) *int {
	s := &m.shards[maphash.String(m.seed, key)%uint64(len(m.shards))]
	s.RLock()
	o := s.values[key]
	s.RUnlock()
	if o.owner == nil || o.owner.Err() != nil {
		return nil
	}
	return o.v
}

func (m *shardedMap) remove(key string) {
	s := &m.shards[maphash.String(m.seed, key)%uint64(len(m.shards))]
	s.Lock()
	delete(s.values, key)
	s.Unlock()
}

// lockedMap is what one writes first: one lock.
type lockedMap struct {
	ctx    context.Context
	mu     sync.Mutex
	values map[string]*int
}

func (m *lockedMap) register(key string, v *int) {
	m.mu.Lock()
	m.values[key] = v
	m.mu.Unlock()
}

func (m *lockedMap) load(key string) *int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key]
}

func (m *lockedMap) remove(key string) {
	m.mu.Lock()
	delete(m.values, key)
	m.mu.Unlock()
}

type syncMap struct{ values sync.Map }

func (m *syncMap) register(key string, v *int) { m.values.Store(key, v) }
func (m *syncMap) remove(key string)           { m.values.Delete(key) }

func (m *syncMap) load(key string) *int {
	v, _ := m.values.Load(key)
	p, _ := v.(*int)
	return p
}

const (
	keyCount  = 1_000_000
	perWorker = 2048 // operations of one worker in a measured part
)

// keyed measures an operation on a million keys by some goroutines at once. The keys of an
// operation are spread over all of them.
func keyed(name string, workers int, op func(l lookup, own, other string)) func(*Meter) {
	return func(m *Meter) {
		ctx, cancel := context.WithCancel(bg)
		defer cancel()
		l := lookups(child.FromContext(ctx))[name]()
		need(keyCount)
		v := new(int)
		for _, key := range names[:keyCount] {
			l.register(key, v)
		}
		own := make([][]string, workers)
		for w := range own {
			for i := range 64 {
				own[w] = append(own[w], fmt.Sprint("own-", w, "-", i))
			}
		}
		time.Sleep(time.Second) // the registry looks at its entries after each garbage collection, the last of which has just been
		for m.more() {
			m.time(workers*perWorker, func() {
				var all sync.WaitGroup
				for w := range workers {
					all.Go(func() {
						at := uint32(w) * 2654435761
						for i := range perWorker {
							at = at*1664525 + 1013904223
							op(l, own[w][i%64], names[at%keyCount])
						}
					})
				}
				all.Wait()
			})
		}
	}
}

// keyRows measures the registry. A convoy would make 64 goroutines slower than one.
func keyRows() (all []Measure) {
	rows := []struct {
		name, unit string
		op         func(l lookup, own, other string)
	}{
		{"load of one key among a million", "load", func(l lookup, _, other string) {
			if l.load(other) == nil {
				panic("not there: " + other)
			}
		}},
		{"register, load and withdraw among a million", "round", func(l lookup, own, other string) {
			v := new(int)
			l.register(own, v)
			if l.load(own) != v || l.load(other) == nil {
				panic("not there")
			}
			l.remove(own)
		}},
	}
	for _, row := range rows {
		for _, workers := range []int{1, 64} {
			shape := func(kind Kind, title, name string, base bool) Shape {
				return Shape{kind, title, keyed(name, workers, row.op), base}
			}
			all = append(all, Measure{
				Name: fmt.Sprintf("%s, %d at once", row.name, workers), Unit: row.unit, Rounds: 2,
				Target: "2x; 64 at once as one", Base: "a map in 128 parts, each entry with a context",
				Shapes: []Shape{
					shape(Ours, "Coppice, registry.Registry", "registry", false),
					shape(Floor, "map in 128 parts", "sharded", true),
					shape(Floor, "map, one lock, no owners", "map", false),
					shape(Floor, "sync.Map, no owners", "sync.Map", false),
				},
			})
		}
	}
	return all
}
