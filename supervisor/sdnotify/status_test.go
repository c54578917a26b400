package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
)

func TestStatusHasCountsWhatIsNotReadyAndWhatChildrenSay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		says := func(text string) func(child.Context) error {
			return func(ctx child.Context) error {
				ctx.Status(text)
				return idle(ctx)
			}
		}
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "c", Run: says("12 of 64 shards")}}})
		root, systemd, _ := watched(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run}, {Name: "feed", Run: says("lag 3 s")}, {Name: "done", Restart: child.Temporary, Run: child.Task(func(context.Context) error { return nil })},
			{Name: "db", Run: slow(2*second, 0)}, {Name: "api", Run: idle},
		}}, 0)
		requireLines(t, systemd.take(statusKey), statusKey+"starting, no children")
		serve(t, root)
		time.Sleep(statusEvery)
		requireLines(t, systemd.take(statusKey),
			statusKey+"4 running; /shop/inner/c: 12 of 64 shards; /shop/feed: lag 3 s")
		require.NoError(t, root.StopChild(t.Context(), "inner", "api"))
		requireLines(t, systemd.take(statusKey)) // not yet
		time.Sleep(statusEvery)
		requireLines(t, systemd.take(statusKey),
			statusKey+"2 running, 1 stopped; /shop/inner: not ready: stopped; /shop/api: not ready: stopped; /shop/feed: lag 3 s")
		time.Sleep(time.Hour)
		requireLines(t, systemd.take(statusKey)) // nothing has changed
	})
}

func TestStatusIsOneBoundedLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		evil := strings.Repeat("\x1b[2J\nREADY=1\u202e\xff", 1000)
		var specs []child.Spec
		for i := range 100 {
			specs = append(specs, child.Spec{Name: fmt.Sprint("c", i), Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.Status("\x1b[2J" + strings.Repeat("ä", 1000))
				if i%2 == 0 {
					ctx.Unready(errors.New(evil))
				}
				<-ctx.Done()
				return nil
			}})
		}
		root, systemd, _ := watched(t, supervisor.Spec{Children: specs}, 0)
		serve(t, root)
		time.Sleep(statusEvery)
		lines := systemd.take("")
		status := lines[len(lines)-1]
		require.True(t, strings.HasPrefix(status, statusKey+"50 running, 50 unready; /shop/c0: not ready: "), status)
		require.Contains(t, status, "; 47 more not ready; /shop/c0: ")
		require.LessOrEqual(t, len(status), len(statusKey)+maxStatus)
		require.Equal(t, oneline.Text(status), status)
		ready := 0
		for _, line := range lines { // no line of a text is one of the protocol
			if line == readyLine {
				ready++
			} else {
				require.True(t, strings.HasPrefix(line, statusKey) || strings.HasPrefix(line, extendKey), line)
			}
		}
		require.Equal(t, 1, ready)
	})
}
