package coppiceprom_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

var (
	errBoom = errors.New("boom")
	quiet   = slog.New(slog.DiscardHandler)
)

// bubble runs f in virtual time, and checks that it leaves no goroutine behind.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer goleak.VerifyNone(t)
	synctest.Test(t, f)
}

// A scene is a tree with a collector in a registry of its own.
type scene struct {
	*supervisor.Supervisor
	t         *testing.T
	collector *coppiceprom.Collector
	registry  *prometheus.Registry
}

// declare makes a scene whose tree has not started.
func declare(t *testing.T, tree supervisor.Spec, spec coppiceprom.Spec) *scene {
	t.Helper()
	if tree.Name == "" {
		tree.Name = "shop"
	}
	if tree.Logger == nil {
		tree.Logger = quiet
	}
	s := &scene{Supervisor: supervisor.New(tree), t: t, registry: prometheus.NewPedanticRegistry()}
	s.collector = coppiceprom.New(s.Supervisor, spec)
	require.NoError(t, s.registry.Register(s.collector))
	return s
}

// start makes a scene whose tree runs until the test ends.
func start(t *testing.T, tree supervisor.Spec, spec coppiceprom.Spec) *scene {
	t.Helper()
	s := declare(t, tree, spec)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

// scrape returns all series, when all events have been counted.
func (s *scene) scrape() series {
	s.t.Helper()
	synctest.Wait()
	return scrape(s.t, s.registry)
}

// series has the values of a scrape by name and labels other than tree, such as
// coppice_child_state{path="/shop/db",state="running"}. A histogram has its count and its
// sum.
type series map[string]float64

func scrape(t *testing.T, from prometheus.Gatherer) series {
	t.Helper()
	families, err := from.Gather()
	require.NoError(t, err)
	all := series{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != "tree" {
					labels = append(labels, l.GetName()+`="`+l.GetValue()+`"`)
				}
			}
			at := ""
			if len(labels) > 0 {
				at = "{" + strings.Join(labels, ",") + "}"
			}
			name := family.GetName()
			switch {
			case m.GetHistogram() != nil:
				all[name+"_count"+at] = float64(m.GetHistogram().GetSampleCount())
				all[name+"_sum"+at] = m.GetHistogram().GetSampleSum()
			case m.GetCounter() != nil:
				all[name+at] = m.GetCounter().GetValue()
			default:
				all[name+at] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

// about returns the series that have a part of their text, sorted, as lines.
func (s series) about(parts ...string) []string {
	var lines []string
	for name, value := range s {
		if slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(name, part) }) {
			continue
		}
		lines = append(lines, name+" "+number(value))
	}
	slices.Sort(lines)
	return lines
}

// state returns the states that are 1.
func (s series) state(metric, label string) (in []string) {
	for _, name := range []string{"stopped", "starting", "running", "stopping", "waiting", "done"} {
		at := metric + "{state=\"" + name + "\"}"
		if label != "" {
			at = metric + "{" + label + ",state=\"" + name + "\"}"
		}
		if s[at] == 1 {
			in = append(in, name)
		}
	}
	return in
}

var idle = testkit.Idle

// A puppet runs until the test lets it end, or it is asked to stop.
type puppet struct{ orders chan func() error }

func newPuppet() *puppet { return &puppet{make(chan func() error)} }

func (p *puppet) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	select {
	case end := <-p.orders:
		return end()
	case <-ctx.Done():
		return nil
	}
}

func (p *puppet) end(err error) {
	p.orders <- func() error { return err }
	synctest.Wait()
}

func (p *puppet) panics(v any) {
	p.orders <- func() error { panic(v) }
	synctest.Wait()
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
