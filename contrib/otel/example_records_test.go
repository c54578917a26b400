package coppiceotel_test

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/supervisor"
)

// A printer is a log processor that prints the severity and the body of each record.
type printer struct{}

func (printer) OnEmit(_ context.Context, r *sdklog.Record) error {
	fmt.Println(r.SeverityText(), r.Body())
	return nil
}

func (printer) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (printer) Shutdown(context.Context) error                         { return nil }
func (printer) ForceFlush(context.Context) error                       { return nil }

// From debug on there is a record for each start and each stop.
func ExampleSpec_minSeverity() {
	tel := coppiceotel.New(coppiceotel.Spec{
		LoggerProvider: sdklog.NewLoggerProvider(sdklog.WithProcessor(printer{})),
		MinSeverity:    log.SeverityDebug,
	})
	root := supervisor.New(supervisor.Spec{
		Name:   "shop",
		Logger: slog.New(slog.DiscardHandler), // the records take its place
		Children: []child.Spec{{Name: "db", Run: child.Plain(func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})}},
	})
	defer tel.Watch(root)()
	_ = root.Start(context.Background())
	_ = root.Stop(context.Background())
	// Output:
	// DEBUG starting /shop/db
	// DEBUG ready /shop/db
	// INFO up /shop
	// INFO closing /shop: stopped
	// DEBUG stopping /shop/db: stopped
	// DEBUG stopped /shop/db
	// INFO over /shop
}
