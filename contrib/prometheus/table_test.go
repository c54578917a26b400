package coppiceprom_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var code = regexp.MustCompile("`([^`]+)`")

// rows returns the cells of the tables below a heading of docs/metrics.md whose first cell
// is a metric.
func rows(t *testing.T, heading string) (all [][]string) {
	text, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	_, part, found := strings.Cut(string(text), "\n## "+heading+"\n")
	require.True(t, found, heading)
	part, _, _ = strings.Cut(part, "\n## ")
	for line := range strings.Lines(part) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if strings.HasPrefix(cells[0], "`coppice_") {
			all = append(all, cells)
		}
	}
	return all
}

func names(cell string) (all []string) {
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

// everything is a tree that has each metric.
func everything(t *testing.T) *scene {
	p := newPuppet()
	conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	bills, _ := newBilling(gatetest.NewEngine(), "a")
	s := start(t, supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: p.Run}, {Name: "conns", Run: conns.Run}, {Name: "bills", Run: bills.Run}, {Name: "sweep", Run: newSweep(nil).Run},
	}}, coppiceprom.Spec{})
	p.end(errBoom)
	p.panics("oops")
	require.NoError(t, conns.StartChild(t.Context(), child.Spec{Name: "conn", Run: idle}))
	require.NoError(t, s.StopChild(t.Context(), "conns/conn"))
	return s
}

func TestTheTableListsWhatIsExported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := everything(t)
		s.scrape()
		families, err := s.registry.Gather()
		require.NoError(t, err)
		exported := map[string][2]string{}
		for _, family := range families {
			var labels []string
			for _, m := range family.GetMetric() {
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetName())
				}
			}
			slices.Sort(labels)
			exported[family.GetName()] = [2]string{
				strings.ToLower(family.GetType().String()), strings.Join(slices.Compact(labels), " "),
			}
		}
		listed := map[string][2]string{}
		for _, cells := range rows(t, "Instruments") {
			require.Len(t, cells, 8, cells[0])
			labels := names(cells[2])
			slices.Sort(labels)
			name := names(cells[0])[0]
			require.NotContains(t, listed, name)
			listed[name] = [2]string{cells[1], strings.Join(labels, " ")}
		}
		require.NotEmpty(t, listed)
		require.Equal(t, listed, exported)
	})
}

// Labels and attributes correspond as the first table says, and each OpenTelemetry name is
// used once.
func TestTheTableMapsEachNameOnce(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	attribute := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `([a-z_.]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		attribute[m[1]] = m[2]
	}
	require.Len(t, attribute, 6)
	seen := map[string]bool{}
	for _, cells := range rows(t, "Instruments") {
		otel := names(cells[3])[0]
		require.False(t, seen[otel], otel)
		seen[otel] = true
		var want []string
		for _, label := range names(cells[2]) {
			want = append(want, attribute[label])
		}
		require.Equal(t, want, names(cells[6]), otel)
		require.Equal(t, cells[1] == "counter", cells[4] == "counter", otel)
		require.Equal(t, cells[1] == "histogram", cells[4] == "histogram", otel)
		require.Equal(t, names(cells[5])[0] == "s", strings.HasSuffix(names(cells[0])[0], "_seconds"), otel)
	}
}

func TestThePackageTextListsTheTable(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	var listed, want []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(coppice_[a-z_]+)  `).FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1])
	}
	for _, cells := range rows(t, "Instruments") {
		want = append(want, names(cells[0])[0])
	}
	require.ElementsMatch(t, want, listed)
}

func TestPromlintHasNoComplaint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := everything(t)
		s.scrape()
		problems, err := testutil.GatherAndLint(s.registry)
		require.NoError(t, err)
		require.Empty(t, problems)
	})
}
