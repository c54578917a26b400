package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A pool stands for a *sql.DB, which reconnects by itself.
type pool struct{ away atomic.Bool }

func (p *pool) Ping(context.Context) error {
	if p.away.Load() {
		return errors.New("connection refused")
	}
	return nil
}

// A database offers its pool to its siblings, and reports whether the server answers.
type database struct {
	open func() *pool
	pool child.Ref[*pool] // withdrawn when the run ends, offered again by the next
}

func (d *database) Run(ctx child.Context) error {
	p := d.open()
	if err := p.Ping(ctx); err != nil {
		return err // a failed start, which RetryStart tries again
	}
	d.pool.Set(ctx, p)
	if err := ctx.Ready(); err != nil {
		return err
	}
	for !child.Sleep(ctx, 10*time.Millisecond) { // in a program, some seconds
		if err := p.Ping(ctx); err != nil {
			ctx.Unready(err)
		} else if err := ctx.Ready(); err != nil {
			return err
		}
	}
	return nil
}

// When the database server is away, nothing is restarted: the child db is unready until
// the server is back, and Health reports that. The strategy RestForOne would restart the
// API with each failure of the database.
func Example_database() {
	ctx := context.Background()
	server := new(pool)
	db := &database{open: func() *pool { return server }}
	api := func(ctx child.Context) error {
		p, err := db.pool.Get(ctx) // for each request; waits while there is none
		if err != nil {
			return err
		}
		fmt.Println("api: ping:", p.Ping(ctx))
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "db", Run: db.Run, RetryStart: true, Backoff: child.Exponential(100*time.Millisecond, time.Minute)},
		{Name: "api", Run: api},
	}})
	unready, ready := root.Watch(ctx, "db", supervisor.EventUnready), root.Watch(ctx, "db", supervisor.EventReady)
	_ = root.Start(ctx)
	<-ready
	server.away.Store(true)
	<-unready
	fmt.Println(root.Health())
	server.away.Store(false)
	<-ready
	fmt.Println(root.Health())
	fmt.Println(root.Stop(ctx))
	// Output:
	// api: ping: <nil>
	// /shop/db: not ready: connection refused
	// <nil>
	// <nil>
}
