package coppiceprom_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// What a collector costs a restart: five events, counted on another goroutine.
func BenchmarkRestart(b *testing.B) {
	for _, collected := range []bool{false, true} {
		b.Run(fmt.Sprint("collected=", collected), func(b *testing.B) {
			again := make(chan struct{})
			var done sync.WaitGroup
			run := func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				select {
				case <-again:
					done.Done()
					return errBoom
				case <-ctx.Done():
					return nil
				}
			}
			root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "db", Run: run}}})
			if collected {
				defer coppiceprom.New(root, coppiceprom.Spec{}).Close()
			}
			if err := root.Start(context.Background()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				done.Add(1)
				again <- struct{}{}
				done.Wait()
			}
			if err := root.Stop(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// How long RestartChild takes among 100,000 children, with and without scrapes all the time.
func BenchmarkRestartChildBesideScrapes(b *testing.B) {
	for _, scraped := range []bool{false, true} {
		b.Run(fmt.Sprint("scraped=", scraped), func(b *testing.B) {
			root, conns := crowd(b, 100_000, nil)
			registry := prometheus.NewRegistry()
			registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}))
			end := make(chan struct{})
			var scraper sync.WaitGroup
			if scraped {
				scraper.Go(func() {
					for {
						select {
						case <-end:
							return
						default:
							_, _ = registry.Gather()
						}
					}
				})
			}
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				if err := conns.RestartChild(context.Background(), fmt.Sprint("conn-", i%100_000)); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			close(end)
			scraper.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
		})
	}
}
