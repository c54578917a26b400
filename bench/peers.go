package bench

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/oklog/run"
	"github.com/sourcegraph/conc"
	"github.com/thejerf/suture/v4"
	"golang.org/x/sync/errgroup"
)

// Suture has no notion of ready, so the service signals it on a channel.

type sutureIdler struct{ up chan struct{} }

func (s *sutureIdler) Serve(ctx context.Context) error {
	close(s.up)
	<-ctx.Done()
	return nil
}

type sutureCrew struct {
	sup    *suture.Supervisor
	cancel context.CancelFunc
	ended  <-chan error

	mu     sync.Mutex
	tokens []suture.ServiceToken
}

func newSutureSupervisor() *suture.Supervisor {
	return suture.New("root", suture.Spec{EventHook: func(suture.Event) {}, FailureThreshold: math.MaxFloat64, Timeout: time.Minute})
}

func newSuture(n int) crew {
	c := &sutureCrew{sup: newSutureSupervisor()}
	ctx, cancel := context.WithCancel(bg)
	c.cancel = cancel
	c.ended = c.sup.ServeBackground(ctx)
	all := make([]*sutureIdler, n)
	for i := range all {
		all[i] = &sutureIdler{make(chan struct{})}
		c.tokens = append(c.tokens, c.sup.Add(all[i]))
	}
	for _, s := range all {
		<-s.up
	}
	return c
}

func (c *sutureCrew) add(i int) {
	s := &sutureIdler{make(chan struct{})}
	token := c.sup.Add(s)
	c.mu.Lock()
	if i >= len(c.tokens) {
		c.tokens = append(c.tokens, make([]suture.ServiceToken, i+1-len(c.tokens))...)
	}
	c.tokens[i] = token
	c.mu.Unlock()
	<-s.up
}

func (c *sutureCrew) remove(i int) { must(c.sup.RemoveAndWait(c.tokens[i], time.Minute)) }

func (c *sutureCrew) stop() {
	c.cancel()
	if err := <-c.ended; !errors.Is(err, context.Canceled) {
		panic(err)
	}
}

// The other libraries cannot stop a single child, and cannot add a child to a running
// group and remove it again. None has a notion of ready.

type allOrNone struct {
	cancel func()
	wait   func()
}

func (*allOrNone) add(int)    { panic("not supported") }
func (*allOrNone) remove(int) { panic("not supported") }
func (a *allOrNone) stop()    { a.cancel(); a.wait() }

func newErrgroup(n int) crew {
	ctx, cancel := context.WithCancel(bg)
	group, ctx := errgroup.WithContext(ctx)
	up := make(chan struct{}, n)
	for range n {
		group.Go(func() error {
			up <- struct{}{}
			<-ctx.Done()
			return nil
		})
	}
	for range n {
		<-up
	}
	return &allOrNone{cancel, func() { must(group.Wait()) }}
}

func newConc(n int) crew {
	ctx, cancel := context.WithCancel(bg)
	group := conc.NewWaitGroup()
	up := make(chan struct{}, n)
	for range n {
		group.Go(func() {
			up <- struct{}{}
			<-ctx.Done()
		})
	}
	for range n {
		<-up
	}
	return &allOrNone{cancel, group.Wait}
}

func newRunGroup(n int) crew {
	var group run.Group
	up := make(chan struct{}, n)
	for range n {
		ctx, cancel := context.WithCancel(bg)
		group.Add(func() error {
			up <- struct{}{}
			<-ctx.Done()
			return nil
		}, func(error) { cancel() })
	}
	halt, done := make(chan struct{}), make(chan struct{})
	group.Add(func() error { <-halt; return nil }, func(error) {})
	go func() {
		defer close(done)
		must(group.Run())
	}()
	for range n {
		<-up
	}
	return &allOrNone{func() { close(halt) }, func() { <-done }}
}
