package supervisor_test

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// labelsHere are the pprof labels of the goroutine that calls it, as a profile shows them.
//
//go:noinline
func labelsHere() string {
	text := new(bytes.Buffer)
	_ = pprof.Lookup("goroutine").WriteTo(text, 1)
	for stack := range strings.SplitSeq(text.String(), "\n\n") {
		if !strings.Contains(stack, ".labelsHere+") {
			continue
		}
		for line := range strings.Lines(stack) {
			if _, labels, found := strings.Cut(line, "# labels: "); found {
				return strings.TrimSpace(labels)
			}
		}
	}
	return ""
}

// labelled sets a label that it does not take back, as pprof.Do would.
func labelled(ctx context.Context) {
	pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("of", "another")))
}

func TestEachRunStartsWithTheLabelsOfTheRootsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		seen := map[string][]string{}
		run := func(ctx child.Context) error {
			seen[ctx.Path()] = append(seen[ctx.Path()], labelsHere())
			labelled(ctx)
			return p.Run(ctx)
		}
		below := func(ctx child.Context) error {
			seen[ctx.Path()] = append(seen[ctx.Path()], labelsHere())
			return idle(ctx)
		}
		nested := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "c", Run: below}}})
		root := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: run},   // the second run of which is on the goroutine of the first
			{Name: "b", Run: below}, // which the Ready of a starts
			{Name: "nested", Run: func(ctx child.Context) error {
				labels := pprof.WithLabels(ctx, pprof.Labels("added", "above"))
				return nested.Run(child.FromContext(labels))
			}},
		}})
		require.NoError(t, root.Start(pprof.WithLabels(t.Context(), pprof.Labels("app", "shop"))))
		p.end(errBoom)
		synctest.Wait()
		require.NoError(t, root.Stop(t.Context()))
		require.Equal(t, map[string][]string{
			"/root/a":        {`{"app":"shop"}`, `{"app":"shop"}`},
			"/root/b":        {`{"app":"shop"}`},
			"/root/nested/c": {`{"added":"above", "app":"shop"}`},
		}, seen)
	})
}
