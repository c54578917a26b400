package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/sqlgate"
	"github.com/coppice-go/coppice/supervisor"
)

// The leader sends bills, and guards each transaction. After it has handed over, a
// transaction of the past is refused.
func Example() {
	dir, err := os.MkdirTemp("", "sqlgate")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "shop")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE TABLE bills (nr INTEGER PRIMARY KEY, sent INTEGER NOT NULL)")
	fmt.Println(err)
	send := func(ctx context.Context) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := sqlgate.Guard(ctx, tx); err != nil { // first of all
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO bills (sent) VALUES (1)"); err != nil {
			return err
		}
		return tx.Commit()
	}

	leads := make(chan context.Context)
	process := func(name string) (*gate.Gate, *supervisor.Supervisor) {
		leases := sqlgate.New(db, sqlgate.Spec{Dialect: sqlgate.SQLite, TTL: 15 * time.Second, PollEvery: 10 * time.Millisecond, Member: name})
		if err := leases.CreateTables(ctx); err != nil {
			fmt.Println(err)
		}
		g := gate.New(gate.Spec{Name: "/shop/billing", Elector: leases, Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			leads <- ctx
			<-ctx.Done()
			return nil
		}})
		return g, supervisor.New(supervisor.Spec{
			Name:     name,
			Logger:   slog.New(slog.DiscardHandler),
			Children: []child.Spec{{Name: "billing", Run: g.Run}},
		})
	}
	ga, a := process("a")
	_ = a.Start(ctx)
	first := <-leads
	fmt.Println("a sends:", send(first))
	_, b := process("b")
	_ = b.Start(ctx)
	fmt.Println("a yields:", ga.Yield(ctx))
	second := <-leads
	fmt.Println("b sends:", send(second))
	late := context.WithoutCancel(first) // as a process that was paused, and has not noticed
	fmt.Println("a wakes up, and is stale:", errors.Is(send(late), gate.ErrStale))
	fmt.Println(a.Stop(ctx), b.Stop(ctx))
	// Output:
	// <nil>
	// a sends: <nil>
	// a yields: <nil>
	// b sends: <nil>
	// a wakes up, and is stale: true
	// <nil> <nil>
}
