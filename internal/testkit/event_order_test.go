package testkit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestCanonicalOrder(t *testing.T) {
	now := time.Now()
	events := func(script string) (all []supervisor.Event) {
		for i, group := range strings.Split(script, "; ") {
			for _, line := range strings.Split(group, ", ") {
				kind, path, _ := strings.Cut(line, " ")
				e := supervisor.Event{Time: now.Add(time.Duration(i)), Path: path}
				require.NoError(t, e.Kind.UnmarshalText([]byte(kind)))
				all = append(all, e)
			}
		}
		return all
	}
	free := func(a, b *supervisor.Event) bool { _, ok := testkit.Apart(a.Path, b.Path); return ok }
	for script, want := range map[string]string{
		"starting /r/b, starting /r/a":                             "starting /r/a, starting /r/b",
		"starting /r/b; starting /r/a":                             "starting /r/b; starting /r/a",
		"starting /r/b, ready /r/b, starting /r/a, ready /r/a":     "starting /r/a, ready /r/a, starting /r/b, ready /r/b",
		"stopping /r/b/x, stopping /r/b, stopping /r/a":            "stopping /r/a, stopping /r/b/x, stopping /r/b",
		"stopping /r/c, stopping /r, starting /r/b, starting /r/a": "stopping /r/c, stopping /r, starting /r/a, starting /r/b",
		"starting /r/a/y, starting /r/a/x, ready /r/a, ready /r/0": "ready /r/0, starting /r/a/x, starting /r/a/y, ready /r/a",
	} {
		require.Equal(t, events(want), testkit.CanonicalOrder(events(script), free), script)
	}
}
