package sqltest

import (
	"context"
	"database/sql"
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

// Four shards, each with a fence of its own. Their tables have other names than usual.
func ExampleSpec_shards() {
	dir, err := os.MkdirTemp("", "sqlgate")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "shop")+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	leases := sqlgate.New(db, sqlgate.Spec{Dialect: sqlgate.SQLite, Shards: "feeds"})
	if err := leases.CreateTables(ctx); err != nil {
		fmt.Println(err)
		return
	}

	wrote := make(chan error, 4)
	write := func(ctx context.Context) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := sqlgate.Guard(ctx, tx); err != nil { // first of all
			return err
		}
		return tx.Commit()
	}
	feeds := gate.NewShards(gate.ShardsSpec{
		Name: "/shop/feeds", N: 4, Elector: leases,
		RenewEvery: 100 * time.Millisecond, // a new member also waits this long for others, before it claims shards
		Run: func(int) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				wrote <- write(ctx)
				<-ctx.Done()
				return nil
			}
		},
	})
	root := supervisor.New(supervisor.Spec{
		Name: "shop", Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "feeds", Run: feeds.Run}},
	})
	_ = root.Start(ctx)
	for range 4 {
		fmt.Println(<-wrote)
	}
	var claims, fences int
	_ = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM feeds").Scan(&claims)
	_ = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM coppice_fences WHERE name LIKE '/shop/feeds/%'").Scan(&fences)
	fmt.Println(claims, fences)
	_ = root.Stop(ctx)
	_ = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM feeds").Scan(&claims)
	fmt.Println(claims)
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// 4 4
	// 0
}
