package supervisor_test

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Nothing is carried over from run to run: a run begins with the pprof labels of the
// context that its tree was started with, whatever goroutine it is on.

// labelled sets a pprof label of its goroutine.
func labelled(key, value string) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(key, value)))
}

// labelsHere returns the pprof labels of its goroutine, as the profile of all has them.
// It stands in that under the name of this function.
func labelsHere() string {
	var text bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&text, 1)
	for _, record := range strings.Split(text.String(), "\n\n") {
		if strings.Contains(record, "supervisor_test.labelsHere") {
			return strings.Join(regexp.MustCompile(`"[a-z]+":"[a-z]+"`).FindAllString(record, -1), " ")
		}
	}
	return "not found"
}

// labelNotes records which run had which labels.
type labelNotes struct {
	mu   sync.Mutex
	seen map[string]string
}

func (n *labelNotes) note(who string) {
	n.mu.Lock() // also: one at a time, for labelsHere
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[string]string{}
	}
	n.seen[who] = labelsHere()
}

// run returns a Run that notes its labels, sets others, and fails so often, also by a panic.
func (n *labelNotes) run(who string, fails int) func(child.Context) error {
	runs := 0
	return func(ctx child.Context) error {
		runs++
		n.note(fmt.Sprint(who, " ", runs))
		labelled("of", who)
		if err := ctx.Ready(); err != nil {
			return err
		}
		if runs <= fails {
			if runs%2 == 0 {
				return explode()
			}
			return errBoom
		}
		<-ctx.Done()
		return nil
	}
}

func TestRunBeginsWithTheLabelsOfTheRootsContextAlone(t *testing.T) {
	var n labelNotes
	labelled("of", "test")
	defer pprof.SetGoroutineLabels(context.Background())
	inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: n.run("x", 2)}, {Name: "y", Run: n.run("y", 0)}}})
	sup := newRoot(supervisor.Spec{
		Around: func(ctx child.Context, run func(child.Context) error) error {
			if strings.HasSuffix(ctx.Path(), "/b") {
				n.note("around")
				labelled("around", "b")
			}
			return run(ctx)
		},
		Children: []child.Spec{
			{Name: "a", Run: n.run("a", 2)},
			{Name: "b", Run: n.run("b", 2), Backoff: func() child.BackoffPolicy {
				n.note("policy")
				return policy(func() time.Duration { n.note("next"); return 0 })
			}},
			{Name: "c", Run: n.run("c", 0)}, // started by the Ready of b
			{Name: "in", Run: func(ctx child.Context) error {
				// The context around a nested supervisor has labels of its own.
				labelled("of", "in")
				return inner.Run(child.FromContext(pprof.WithLabels(ctx, pprof.Labels("tenant", "seven"))))
			}},
		},
	})
	defer sup.Subscribe(func(supervisor.Event) { n.note("subscriber") })()
	defer inner.Subscribe(func(supervisor.Event) { n.note("subscriber below") })()
	events := make(chan supervisor.Event, 100)
	defer sup.Subscribe(func(e supervisor.Event) { events <- e }, supervisor.EventReady)()
	require.NoError(t, sup.Start(pprof.WithLabels(t.Context(), pprof.Labels("service", "shop"))))
	again := map[string]bool{}
	for len(again) < 3 {
		if e := <-events; e.Restarts > 1 {
			again[e.Path] = true
		}
	}
	require.NoError(t, sup.Stop(t.Context()))
	shop := `"service":"shop"`
	require.Equal(t, map[string]string{
		"a 1": shop, "a 2": shop, "a 3": shop, "c 1": shop, "around": shop,
		"b 1": `"around":"b"`, "b 2": `"around":"b"`, "b 3": `"around":"b"`,
		"x 1": shop + ` "tenant":"seven"`, "x 2": shop + ` "tenant":"seven"`, "x 3": shop + ` "tenant":"seven"`, "y 1": shop + ` "tenant":"seven"`,
		"policy": shop, "next": shop, "subscriber": "", "subscriber below": "",
	}, n.seen)
}
