package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/coppice-go/coppice/supervisor"
)

// deck holds the crashes of a demo. Progress of the index triggers them, not time, so that fast and slow machines see the
// same crashes.
type deck struct {
	cards []card
	mu    sync.Mutex
	taken map[string]int // number of crashes that happened, by kind
}

type card struct {
	path string // relative to the root
	crash
}

// newDeck returns n crashes in random order.
func newDeck(seed uint64, n int) *deck {
	kinds := []card{ // ordered so that a small deck has some of each kind
		{path: "journal", crash: crash{kind: "torn write", torn: true}},
		{path: "jobs/*", crash: crash{kind: "job"}},
		{path: "http", crash: crash{kind: "http"}},
		{path: "jobs/*", crash: crash{kind: "job"}},
		{path: "journal", crash: crash{kind: "journal"}},
		{path: "crawler", crash: crash{kind: "crawler"}},
		{path: "jobs", crash: crash{kind: "jobs branch"}},
		{path: "jobs/*", crash: crash{kind: "job"}},
		{path: "http", crash: crash{kind: "http"}},
		{path: "jobs/*", crash: crash{kind: "job"}},
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	d := &deck{taken: map[string]int{}}
	for i := range n {
		c := kinds[i%len(kinds)]
		c.cut = rnd.Float64()
		d.cards = append(d.cards, c)
	}
	if n > 1 { // the torn write stays first: it needs a record that is still to be written
		rest := d.cards[1:]
		rnd.Shuffle(n-1, func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	}
	return d
}

// deal gives the orders, spread over the first nine tenths of the files, until ctx is done. An order waits until its child
// takes it, without delaying other orders.
func (d *deck) deal(ctx context.Context, svc *service, c *chaos, files int) {
	var orders sync.WaitGroup
	defer orders.Wait()
	for i, card := range d.cards {
		due := files * 9 / 10 * (i + 1) / len(d.cards)
		if until(ctx, svc.root, func() bool { return svc.indexed() >= due }) != nil {
			return
		}
		orders.Go(func() {
			if c.order(ctx, svc.root.Path()+"/"+card.path, card.crash) {
				d.mu.Lock()
				d.taken[card.kind]++
				d.mu.Unlock()
			}
		})
	}
}

// counts returns how many crashes happened, in all and by kind.
func (d *deck) counts() (n int, byKind string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(d.taken)) {
		n += d.taken[kind]
		parts = append(parts, fmt.Sprintf("%s %d", kind, d.taken[kind]))
	}
	return n, strings.Join(parts, ", ")
}

// until waits until cond holds. It checks cond after every event of the tree.
func until(ctx context.Context, sup *supervisor.Supervisor, cond func() bool) error {
	happened := make(chan struct{}, 1)
	defer sup.Subscribe(func(supervisor.Event) {
		select {
		case happened <- struct{}{}:
		default:
		}
	})()
	for !cond() {
		select {
		case <-happened:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
