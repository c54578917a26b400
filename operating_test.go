package coppice_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/overlay"
	"github.com/coppice-go/coppice/supervisor"
)

func operating(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docs/operating.md")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(text), "\n"), 350, "docs/operating.md is too long")
	return string(text)
}

// guideBlocks returns the blocks of a text in a language.
func guideBlocks(t *testing.T, text, language string) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	require.NotEmpty(t, all)
	return all
}

func TestTheProgramsInTheOperatingGuideCompile(t *testing.T) {
	files := map[string]string{}
	for i, block := range guideBlocks(t, operating(t), "go") {
		if strings.Contains(block, "coppiceprom.") || strings.Contains(block, "coppiceotel.") {
			continue // these modules compile it: guide_test.go
		}
		files[fmt.Sprintf("internal/operating%d/block.go", i)] = guideProgram(block)
	}
	overlay.Build(t, os.DevNull, files)
}

func TestTheOperatingGuideExplainsEachEvent(t *testing.T) {
	_, table, found := strings.Cut(operating(t), "| event | level |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	explained := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		names, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(names, -1) {
			var kind supervisor.EventKind
			require.NoError(t, kind.UnmarshalText([]byte(m[1])))
			require.False(t, explained[m[1]], m[1])
			explained[m[1]] = true
		}
	}
	for kind := supervisor.EventStarting; kind <= supervisor.EventOver; kind++ {
		require.True(t, explained[kind.String()], "%v has no row", kind)
	}
}

// The time that the platform gives the process must be more than a stop takes.
func TestTheTimesInTheOperatingGuideAddUp(t *testing.T) {
	text := operating(t)
	number := func(pattern string) int {
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		require.NotNil(t, m, pattern)
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		return n
	}
	stop := number(`\bDrain: +(\d+) \* time.Second`) + number(`\tStopTimeout: (\d+) \* time.Second`)
	require.Greater(t, number(`terminationGracePeriodSeconds: (\d+)`), stop)
	require.Greater(t, number(`TimeoutStopSec=(\d+)`), stop)
	require.Equal(t, stop, number(`more than Drain \+ StopTimeout = (\d+) s`))
}

func TestTheUnitsInTheOperatingGuideAreValid(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	program, err := exec.LookPath("true")
	require.NoError(t, err)
	dir := t.TempDir()
	units := guideBlocks(t, operating(t), "ini")
	require.Len(t, units, 2)
	service, socket := filepath.Join(dir, "shop.service"), filepath.Join(dir, "shop.socket")
	require.NoError(t, os.WriteFile(service, []byte(strings.ReplaceAll(units[0], "/usr/local/bin/shop", program)), 0o644))
	require.NoError(t, os.WriteFile(socket, []byte(units[1]), 0o644))
	out, err := exec.Command(tool, "verify", "--man=no", service, socket).CombinedOutput()
	for _, line := range strings.Split(string(out), "\n") { // units of the machine may have faults of their own
		require.NotContains(t, line, "shop.s")
	}
	require.NoError(t, err, "%s", out)
}

func TestTheOperatingGuideNamesCommandsAndMetricsThatExist(t *testing.T) {
	text := operating(t)
	coppice := filepath.Join(t.TempDir(), "coppice")
	goTool(t, ".", nil, "build", "-o", coppice, "./cmd/coppice")
	commands := regexp.MustCompile("`coppice (\\w+)([^`]*)`").FindAllStringSubmatch(text, -1)
	require.Greater(t, len(commands), 10)
	for _, m := range commands {
		help, err := exec.Command(coppice, "help", m[1]).CombinedOutput()
		require.NoError(t, err, "%s\n%s", m[0], help)
		for _, flag := range regexp.MustCompile(` (-\w+)`).FindAllStringSubmatch(m[2], -1) {
			require.Contains(t, string(help), "\n  "+flag[1], m[0])
		}
	}

	metrics, err := os.ReadFile("docs/metrics.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`coppice_\\w+`").FindAllString(text, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Contains(t, string(metrics), name)
	}
}
