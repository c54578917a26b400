package coppice_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compared has the libraries that docs/comparison.md compares with Coppice.
var compared = []string{
	"suture v4", "oversight", "capataz", "ergo", "errgroup", "oklog/run", "go-service", "uber/fx", "controller-runtime", "dskit",
}

func comparison(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docs/comparison.md")
	require.NoError(t, err)
	return string(text)
}

// tables returns the tables of a page, each as rows of cells.
func tables(page string) (all [][][]string) {
	inTable := false
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "|") {
			inTable = false
			continue
		}
		if !inTable {
			all, inTable = append(all, nil), true
		}
		if strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all[len(all)-1] = append(all[len(all)-1], cells)
	}
	return all
}

func TestEveryComparedLibraryHasAParagraphAColumnAndAVersion(t *testing.T) {
	page := comparison(t)
	found := tables(page)
	require.Len(t, found, 3, "two tables of facts, one of versions")
	columns := append(found[0][0][2:], found[1][0][1:]...) // without the row names and Coppice
	require.ElementsMatch(t, compared, columns)
	versions := map[string]string{}
	for _, row := range found[2][1:] {
		versions[row[0]] = row[1]
	}
	for _, library := range compared {
		name := strings.TrimSuffix(library, " v4")
		require.Regexp(t, `(?m)^\*\*`+regexp.QuoteMeta(name), page, "no paragraph")
		require.NotEmpty(t, versions[library], "no version of %s", library)
	}
}

// A cell without a mark must say "none" or "not checked".
func TestEveryCellOfTheComparisonSaysHowItWasChecked(t *testing.T) {
	found := tables(comparison(t))
	rows := func(table [][]string) (names []string) {
		for _, row := range table[1:] {
			require.Len(t, row, len(table[0]), "row %q", row[0])
			for i, cell := range row[1:] {
				mark := regexp.MustCompile(`\((S|D|R|T|D, S|R, S)\)$`).MatchString(cell)
				require.True(t, mark || cell == "none" || cell == "not checked", "%s of %s: %q", row[0], table[0][i+1], cell)
			}
			names = append(names, row[0])
		}
		return names
	}
	require.Equal(t, rows(found[0]), rows(found[1]), "both tables must have the same rows")
}

func TestEveryTestNamedInTheComparisonExists(t *testing.T) {
	declared := map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			declared[m[1]] = true
		}
		return err
	}))
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(comparison(t), -1)
	require.NotEmpty(t, named)
	for _, m := range named {
		require.True(t, declared[m[1]], "there is no %s", m[1])
	}
}

// The page must be updated when bench/ is built against new versions.
func TestTheComparisonNamesTheVersionsThatBenchBuildsAgainst(t *testing.T) {
	mod, err := os.ReadFile("bench/go.mod")
	require.NoError(t, err)
	versions := map[string]string{}
	for _, row := range tables(comparison(t))[2][1:] {
		versions[row[0]] = strings.Join(row[1:], " ")
	}
	for library, module := range map[string]string{
		"suture v4": "github.com/thejerf/suture/v4", "oklog/run": "github.com/oklog/run", "errgroup": "golang.org/x/sync",
	} {
		m := regexp.MustCompile(regexp.QuoteMeta(module) + ` (v\S+)`).FindStringSubmatch(string(mod))
		require.NotNil(t, m, "bench/go.mod does not require %s", module)
		require.Contains(t, versions[library], m[1], library)
	}
}

func TestCoppiceDependsOnlyOnBackoffAndTheStandardLibrary(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.Module.Path}}{{end}}",
		"./supervisor", "./supervisortest", "./child/httpserver", "./child/adapt")
	out, err := cmd.Output()
	require.NoError(t, err)
	for _, module := range strings.Fields(string(out)) {
		require.Contains(t, []string{"github.com/coppice-go/coppice", "github.com/cenkalti/backoff/v4"}, module)
	}
}
