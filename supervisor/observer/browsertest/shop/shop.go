// Package shop is a service in trouble, for pictures and tests of the page. Everything that it shows is real: children
// fail, hang, give up and recover as in a program that lost its database.
package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// A Shop is the tree, and the switches that make it fail.
type Shop struct {
	Root *supervisor.Supervisor

	// Sessions are added under /shop/sessions by Open. One in 25 of them needs the database.
	Sessions *supervisor.Supervisor

	DatabaseDown  atomic.Bool
	WarehouseDown atomic.Bool

	refused atomic.Bool   // the pool has noticed that the database is down: sessions fail from then on
	merging chan struct{} // closed when the index is in its second run
	stuck   chan struct{} // closed by Free
}

var errDatabase = errors.New("dial tcp 10.0.4.17:5432: connect: connection refused")

// New makes a shop. More are children that are started before all others, such as the one that serves the page.
func New(more ...child.Spec) *Shop {
	s := &Shop{merging: make(chan struct{}), stuck: make(chan struct{})}
	s.Sessions = supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Backoff: child.Exponential(time.Second, 30*time.Second)})
	nested := func(spec supervisor.Spec) func(child.Context) error { return supervisor.New(spec).Run }
	s.Root = supervisor.New(supervisor.Spec{
		Name: "shop", Around: observer.Label, Logger: slog.New(slog.DiscardHandler), StopTimeout: 10 * time.Second,
		Children: append(more,
			child.Spec{Name: "config", Run: says("version 412, read at the start")},
			child.Spec{Name: "migrate", Run: child.Task(done), Restart: child.Transient},
			child.Spec{Name: "db", Run: nested(supervisor.Spec{Children: []child.Spec{
				{Name: "orders-pool", Run: s.pool},
				{Name: "users-pool", Run: says("18 of 40 connections")},
			}})},
			child.Spec{Name: "sessions", Run: s.Sessions.Run},
			child.Spec{Name: "feeds", Run: nested(supervisor.Spec{Strategy: strategy.RestForOne, Intensity: strategy.AtMost(300, time.Minute),
				Children: []child.Spec{
					{Name: "dialer", Run: dialer()},
					{Name: "decoder", Run: says("")},
					{Name: "publisher", Run: says("offset 88,120,417")},
				}})},
			child.Spec{Name: "billing", Run: says("standby; led by shop-7f9c")},
			child.Spec{Name: "search", Run: nested(supervisor.Spec{Children: []child.Spec{
				{Name: "index", Run: s.index(), StopTimeout: 100 * time.Millisecond},
				{Name: "query", Run: says("41 queries/s")},
				{Name: "suggest", Run: s.hangs, Heartbeat: 500 * time.Millisecond, StopTimeout: 10 * time.Minute, Backoff: child.Constant(time.Second)},
			}})},
			child.Spec{Name: "mail", Restart: child.Transient, Run: nested(supervisor.Spec{Children: []child.Spec{
				{Name: "queue", Run: says("1,208 letters on disk")},
				{Name: "relay", Run: relay, Backoff: child.Constant(20 * time.Millisecond).Retries(8)},
			}})},
			child.Spec{Name: "exporter", Run: s.exporter, Backoff: child.Constant(30 * time.Second).Retries(12)},
			child.Spec{Name: "legacy-sync", Run: says("")},
			child.Spec{Name: "api", Run: says("1,204 requests/s, 99th percentile 48 ms")},
		),
	})
	return s
}

// Trouble lets go wrong what goes wrong in the pictures: with n sessions, of which one in 25 fails with the database.
// Somebody called alice stops legacy-sync.
func (s *Shop) Trouble(ctx context.Context, n int) error {
	if err := s.Open(ctx, n); err != nil {
		return err
	}
	s.DatabaseDown.Store(true)
	s.WarehouseDown.Store(true)
	select {
	case <-s.merging:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	alice := supervisor.WithRequest(ctx, supervisor.Request{By: "alice"})
	return errors.Join(
		s.Root.StopChild(alice, "legacy-sync"),
		s.Root.RestartChild(supervisor.WithRequest(ctx, supervisor.Request{By: "bob"}), "search/index"),
	)
}

// Free lets the runs return that do not stop. Call it once, before the stop of the root or after it.
func (s *Shop) Free() { close(s.stuck) }

// Open adds n sessions.
func (s *Shop) Open(ctx context.Context, n int) error {
	for i := range n {
		spec := child.Spec{Name: fmt.Sprintf("s-%d", 100_000+i), Run: wait, Restart: child.Transient}
		if i%25 == 7 {
			spec.Run = s.needsDatabase
		}
		if err := s.Sessions.StartChild(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

func done(context.Context) error { return nil }

func wait(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func says(text string) func(child.Context) error {
	return func(ctx child.Context) error {
		ctx.Status(text)
		return wait(ctx)
	}
}

// pool reports when the database is away, and goes on.
func (s *Shop) pool(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	down := false
	for ok := true; ok; ok = !child.Sleep(ctx, 50*time.Millisecond) {
		switch now := s.DatabaseDown.Load(); {
		case now && !down:
			ctx.Status("0 of 40 connections")
			ctx.Unready(errDatabase)
			s.refused.Store(true)
		case !now:
			s.refused.Store(false)
			ctx.Status("23 of 40 connections")
			if err := ctx.Ready(); err != nil {
				return err
			}
		}
		down = s.DatabaseDown.Load()
	}
	return nil
}

// needsDatabase is a session that fails with the database.
func (s *Shop) needsDatabase(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for !child.Sleep(ctx, 100*time.Millisecond) {
		if s.refused.Load() {
			return errDatabase
		}
	}
	return nil
}

func (s *Shop) exporter(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	for !child.Sleep(ctx, 50*time.Millisecond) {
		if s.WarehouseDown.Load() {
			return errors.New("POST https://warehouse.internal/v2/batch: 503 Service Unavailable")
		}
	}
	return nil
}

// dialer fails 107 times in a row, and is well from then on.
func dialer() func(child.Context) error {
	var runs atomic.Int64
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		if runs.Add(1) <= 107 {
			return errors.New("read: unexpected EOF")
		}
		ctx.Status("lag 0.3 s")
		<-ctx.Done()
		return nil
	}
}

// index panics in its first run, and does not stop in its second one.
func (s *Shop) index() func(child.Context) error {
	var runs atomic.Int64
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		switch run := runs.Add(1); run {
		case 1:
			segments := make([]int, 64)
			return fmt.Errorf("segment %d", segments[63+run])
		case 2:
			ctx.Status("merging 12 of 64 segments")
			close(s.merging)
			<-s.stuck
		}
		ctx.Status("merging 1 of 64 segments")
		<-ctx.Done()
		return nil
	}
}

// hangs gives no sign of life, and does not stop when it is asked to.
func (s *Shop) hangs(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-s.stuck
	return nil
}

func relay(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return errors.New("smtp: 421 4.7.0 too many connections")
}
