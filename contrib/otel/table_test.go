package coppiceotel_test

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// documented returns the instruments of docs/metrics.md: name, kind, unit and attributes.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "\n## Instruments\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	var rows []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 10 || !strings.Contains(cells[4], "`coppice.") {
			continue
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		names := strings.Split(cells[7], ", ")
		sort.Strings(names)
		rows = append(rows, fmt.Sprintf("%s %s %s %v", cells[4], cells[5], cells[6], names))
	}
	require.NotEmpty(t, rows)
	sort.Strings(rows)
	return rows
}

func TestTheInstrumentsAreThoseOfTheTable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		fail := make(chan any)
		hangs := func(ctx child.Context) error {
			_ = ctx.Ready()
			time.Sleep(10 * time.Second) // longer than its StopTimeout
			return nil
		}
		jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := r.start(t, supervisor.Spec{
			Children: []child.Spec{
				{Name: "db", Run: failing(fail)},
				{Name: "hangs", Run: hangs, Heartbeat: time.Second, StopTimeout: time.Second, Backoff: child.Constant(time.Hour)},
				{Name: "jobs", Run: jobs.Run},
				{Name: "bills", Run: newBilling(gatetest.NewEngine().Member("a", 12*time.Second)).Run},
				{Name: "sweep", Run: newSweep(nil).Run},
			},
		})
		require.NoError(t, jobs.StartChild(t.Context(), child.Spec{Name: "job-1", Run: idle}))
		fail <- errBoom
		synctest.Wait()
		time.Sleep(5 * time.Second)
		require.NoError(t, root.StopChild(t.Context(), "jobs"))
		synctest.Wait()
		defer time.Sleep(10 * time.Second)

		found := make(map[string]map[string]bool)
		for _, scope := range r.collect(t).ScopeMetrics {
			require.Equal(t, "github.com/coppice-go/coppice/contrib/otel", scope.Scope.Name)
			for _, m := range scope.Metrics {
				require.NotEmpty(t, m.Description, m.Name)
				kind, sets := kindOf(t, m)
				head := fmt.Sprintf("%s %s %s", m.Name, kind, m.Unit)
				require.NotContains(t, found, head)
				found[head] = make(map[string]bool)
				for _, set := range sets {
					var keys []string
					for _, kv := range set.ToSlice() {
						keys = append(keys, string(kv.Key))
					}
					sort.Strings(keys)
					found[head][fmt.Sprint(keys)] = true
				}
			}
		}
		var rows []string
		for head, keys := range found {
			for keys := range keys {
				rows = append(rows, head+" "+keys)
			}
		}
		sort.Strings(rows)
		require.Equal(t, strings.Join(documented(t), "\n"), strings.Join(rows, "\n"))
	})
}

// kindOf returns the kind of an instrument, and the attributes of its series.
func kindOf(t *testing.T, m metricdata.Metrics) (kind string, sets []attribute.Set) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
		if data.IsMonotonic {
			return "counter", sets
		}
		return "updowncounter", sets
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
		}
		return "gauge", sets
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			sets = append(sets, p.Attributes)
			require.Equal(t, []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, p.Bounds)
		}
		return "histogram", sets
	}
	t.Fatalf("%s has an unexpected type %T", m.Name, m.Data)
	return "", nil
}
