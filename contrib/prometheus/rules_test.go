package coppiceprom_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An expression is one of a rule or a panel.
type expression struct {
	at, text string
	mentions []string // labels that a legend or an annotation uses
}

// rules returns the expressions of alerts.yaml, which has each on one line.
func rules(t *testing.T) (all []expression) {
	text, err := os.ReadFile("alerts.yaml")
	require.NoError(t, err)
	for _, rule := range strings.Split(string(text), "- alert: ")[1:] {
		name, _, _ := strings.Cut(rule, "\n")
		expr := regexp.MustCompile(`(?m)^ +expr: (.+)$`).FindStringSubmatch(rule)
		require.NotNil(t, expr, name)
		e := expression{at: name, text: expr[1]}
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(rule, -1) {
			e.mentions = append(e.mentions, m[1])
		}
		all = append(all, e)
	}
	return all
}

type dashboard struct {
	Panels []struct {
		Title   string
		Type    string
		Targets []struct {
			Expr         string
			LegendFormat string
		}
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

// panels returns the expressions of dashboard.json, with the variables of Grafana replaced.
func panels(t *testing.T) (all []expression) {
	text, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var board dashboard
	require.NoError(t, json.Unmarshal(text, &board))
	fill := strings.NewReplacer("$tree", ".*", "$supervisor", ".*", "$__rate_interval", "10s", "$__range", "10s")
	for _, p := range board.Panels {
		require.Equal(t, p.Type == "row", len(p.Targets) == 0, p.Title)
		for _, target := range p.Targets {
			e := expression{at: p.Title, text: fill.Replace(target.Expr)}
			require.NotContains(t, e.text, "$")
			for _, m := range regexp.MustCompile(`{{\s*(\w+)\s*}}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				e.mentions = append(e.mentions, m[1])
			}
			all = append(all, e)
		}
	}
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Definition)
			require.NotNil(t, m, v.Definition)
			all = append(all, expression{"variable " + v.Name, fill.Replace(m[1]), []string{m[2]}})
		}
	}
	return all
}

var (
	selector = regexp.MustCompile(`(coppice_\w+)(?:{([^}]*)})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([^)]*)\)`)
)

// Every metric and label that the rules and the dashboard use is in a scrape of real trees.
func TestRulesAndDashboardUseWhatIsExported(t *testing.T) {
	_, registry := calamity(t)
	families, err := registry.Gather()
	require.NoError(t, err)
	exported := map[string][]string{}
	for _, family := range families {
		labels := []string{"job", "instance"} // which Prometheus adds
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
		}
		name := family.GetName()
		exported[name] = labels
		if strings.HasSuffix(name, "_duration_seconds") { // the name itself is the native histogram
			exported[name+"_bucket"] = append(labels, "le")
		}
	}
	used := map[string]bool{}
	for _, e := range slices.Concat(rules(t), panels(t)) {
		var labels []string
		for _, m := range selector.FindAllStringSubmatch(e.text, -1) {
			require.Contains(t, exported, m[1], e.at)
			used[m[1]] = true
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				require.Contains(t, exported[m[1]], l[1], "%s: %s", e.at, m[1])
			}
			labels = append(labels, exported[m[1]]...)
		}
		require.NotEmpty(t, labels, e.at)
		for _, m := range grouping.FindAllStringSubmatch(e.text, -1) {
			for _, label := range strings.Split(m[1], ",") {
				require.Contains(t, labels, strings.TrimSpace(label), e.at)
			}
		}
		for _, label := range e.mentions {
			require.Contains(t, labels, label, e.at)
		}
	}
	for name := range exported {
		if name != "coppice_tree_state" { // the other two metrics of the tree say more
			require.Contains(t, used, name, "neither the rules nor the dashboard use it")
		}
	}
}

// tool returns the path of a program of Prometheus, or skips the test.
func tool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: on Debian, apt-get install prometheus", name)
	}
	return path
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		out, err := exec.Command(promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	text, err := os.ReadFile("alerts_test.yaml")
	require.NoError(t, err)
	for _, rule := range rules(t) {
		require.Contains(t, string(text), `alertname="`+rule.at+`"`, "alerts_test.yaml has no test of it")
	}
}

func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	promtool := tool(t, "promtool")
	url, _ := calamity(t)
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = resp.Body
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}

// A real Prometheus scrapes trees in which everything goes wrong, evaluates all rules, and
// answers all queries of the dashboard with data. One that ingests native histograms drops
// the classic buckets.
func TestARealPrometheusShowsEverything(t *testing.T) {
	program := tool(t, "prometheus")
	target, _ := calamity(t)
	for name, flags := range map[string][]string{"classic": nil, "native": {"--enable-feature=native-histograms"}} {
		t.Run(name, func(t *testing.T) {
			p := servePrometheus(t, program, target, flags...)
			for _, e := range slices.Concat(rules(t), panels(t)) {
				p.await(t, e.at, func() string { return p.shows(t, e) })
			}
			p.await(t, "rules", func() string { return p.rulesAreWell(t) })
			native := len(p.query(t, `histogram_count(coppice_child_start_duration_seconds)`))
			require.Equal(t, name == "native", native > 0)
		})
	}
}

// shows returns what is missing in the answer to a query, or "".
func (p *server) shows(t *testing.T, e expression) string {
	result := p.query(t, e.text)
	if len(result) == 0 {
		return "no data: " + e.text
	}
	for _, label := range e.mentions {
		if !slices.ContainsFunc(result, func(one map[string]string) bool { return one[label] != "" }) {
			return "no label " + label + ": " + e.text
		}
	}
	return ""
}

// rulesAreWell returns what is wrong with the rules, or "".
func (p *server) rulesAreWell(t *testing.T) string {
	var answer struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	p.get(t, "/api/v1/rules", &answer)
	if len(answer.Groups) != 1 || len(answer.Groups[0].Rules) != len(rules(t)) {
		return "not all rules are loaded"
	}
	for _, r := range answer.Groups[0].Rules {
		if r.Health != "ok" {
			return fmt.Sprintf("%s is %s: %s", r.Name, r.Health, r.LastError)
		}
	}
	return ""
}

// A server is a Prometheus that runs until the test ends.
type server struct{ url string }

func servePrometheus(t *testing.T, program, target string, flags ...string) *server {
	t.Helper()
	dir := t.TempDir()
	alerts, err := filepath.Abs("alerts.yaml")
	require.NoError(t, err)
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 250ms, scrape_timeout: 200ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs:
  - job_name: test
    static_configs: [{targets: [%q]}]
`, alerts, strings.TrimPrefix(target, "http://")), 0o600))
	at := freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	var log strings.Builder
	cmd := exec.CommandContext(ctx, program, append(flags, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+at, "--log.level=warn")...)
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	p := &server{"http://" + at}
	p.await(t, "start", func() string {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return err.Error()
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return resp.Status
		}
		return ""
	})
	return p
}

// freeAddress returns a loopback address that was free just now.
func freeAddress(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// await asks until nothing is wrong. It polls, since Prometheus is a process of its own.
func (p *server) await(t *testing.T, what string, wrong func() string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	problem := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		if problem = wrong(); problem == "" {
			return
		}
	}
	t.Errorf("%s: %s", what, problem)
}

func (p *server) get(t *testing.T, path string, data any) {
	t.Helper()
	resp, err := http.Get(p.url + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	answer := struct{ Data any }{data}
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	require.NoError(t, json.Unmarshal(body, &answer))
}

// query returns the labels of each series in the answer.
func (p *server) query(t *testing.T, expr string) (all []map[string]string) {
	t.Helper()
	var answer struct {
		Result []struct{ Metric map[string]string }
	}
	p.get(t, "/api/v1/query?query="+url.QueryEscape(expr), &answer)
	for _, r := range answer.Result {
		all = append(all, r.Metric)
	}
	return all
}
