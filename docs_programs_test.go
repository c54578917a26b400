package coppice_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/overlay"
)

// shownProgram is a whole program of a guide and, right after it, what it prints.
var shownProgram = regexp.MustCompile("(?ms)^```go\n(package main\n.*?)^```\n\n```text\n(.*?)^```$")

// All programs are linked into one. Its argument says which one to run.
func TestEveryProgramOfTheGuidesPrintsWhatIsWritten(t *testing.T) {
	outputs := map[string]string{}
	files := map[string]string{}
	var imports, cases strings.Builder
	for _, guide := range guides {
		text, err := os.ReadFile("docs/" + guide + ".md")
		require.NoError(t, err)
		for _, m := range shownProgram.FindAllStringSubmatch(string(text), -1) {
			name := fmt.Sprintf("%s-%d", guide, len(outputs))
			pkg := fmt.Sprintf("shown%d", len(outputs))
			outputs[name] = m[2]
			body := strings.Replace(m[1], "package main\n", "package "+pkg+"\n", 1)
			files["internal/shown/"+pkg+"/main.go"] = strings.Replace(body, "\nfunc main() {\n", "\nfunc Main() {\n", 1)
			fmt.Fprintf(&imports, "import %q\n", "github.com/coppice-go/coppice/internal/shown/"+pkg)
			fmt.Fprintf(&cases, "\tcase %q:\n\t\t%s.Main()\n", name, pkg)
		}
	}
	require.Len(t, outputs, 11, "seven of from-elixir, four of coming-from")
	files["internal/shown/main.go"] = fmt.Sprintf("package main\n\nimport \"os\"\n%s\nfunc main() {\n\tswitch os.Args[1] {\n%s\t}\n}\n", &imports, &cases)
	binary := filepath.Join(t.TempDir(), "shown.exe")
	overlay.Build(t, binary, files, "internal/shown")

	for name, want := range outputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary, name)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			require.NoError(t, err, "%s%s", out, &stderr)
			require.Equal(t, want, string(out))
		})
	}
}
