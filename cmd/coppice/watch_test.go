package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
)

// drawn returns a frame as text, without colour.
func drawn(p *picture, local time.Time, columns, rows int) string {
	var b strings.Builder
	for _, l := range frame(p, local, columns, rows) {
		b.WriteString(l.render(false) + "\n")
	}
	return b.String()
}

func TestAFrameFitsIntoTheWindow(t *testing.T) {
	p := &picture{tree: shop(), got: now}
	for _, size := range []struct {
		name          string
		columns, rows int
	}{{"frame_80x24", 80, 24}, {"frame_20x5", 20, 5}, {"frame_120x50", 120, 50}, {"frame_60x12", 60, 12}, {"frame_1x1", 1, 1}} {
		got := drawn(p, now.Add(3*time.Second), size.columns, size.rows)
		golden(t, size.name, got)
	}
	for columns := 1; columns < 100; columns += 3 {
		for rows := 1; rows < 60; rows++ {
			lines := frame(p, now, columns, rows)
			require.LessOrEqual(t, len(lines), rows)
			for _, l := range lines {
				require.LessOrEqual(t, l.width(), columns)
			}
		}
	}
}

func TestAFrameSaysThatTheConnectionIsLost(t *testing.T) {
	p := &picture{tree: shop(), got: now, lost: "cannot reach http://h/: connection refused", since: now.Add(2 * time.Second), retry: now.Add(18 * time.Second)}
	golden(t, "frame_lost", drawn(p, now.Add(14*time.Second), 100, 10))
	golden(t, "frame_lost_retry", drawn(p, now.Add(19*time.Second), 100, 4))
}

func TestInASmallWindowTheTreeShowsWhatIsInTrouble(t *testing.T) {
	tree := well()
	tree.Tree.Children = nil
	for i := range 100 {
		n := &view.Node{Name: "worker-" + count(i), State: child.Running, Look: "running", Text: count(i)}
		if i == 57 {
			n.Look, n.Trouble, n.LastError, n.State = "waiting", 2, "boom", child.Waiting
			tree.Tree.Tr = 1
		}
		tree.Tree.Children = append(tree.Tree.Children, n)
	}
	golden(t, "frame_hundred", drawn(&picture{tree: tree, got: now}, now, 60, 12))
	for i := range tree.Tree.Children {
		tree.Tree.Children[i].Trouble, tree.Tree.Children[i].LastError = 2, "boom "+count(i)
	}
	golden(t, "frame_hundred_failing", drawn(&picture{tree: tree, got: now}, now, 60, 12))
}

// A terminal collects what is written to it.
type terminal struct {
	mu            sync.Mutex
	all           bytes.Buffer
	columns, rows int
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

func (t *terminal) size() (int, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.columns, t.rows
}

// take returns what was written since the last call.
func (t *terminal) take() string {
	synctest.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.all.Reset()
	return t.all.String()
}

// watching starts watch on a terminal.
func watching(t *testing.T, w *wire) (*terminal, *watcher, func() (*picture, error)) {
	term := &terminal{columns: 60, rows: 12}
	watch := &watcher{out: term, size: term.size, suspend: func() {}, tick: time.Second,
		resized: make(chan os.Signal, 1), suspended: make(chan os.Signal, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	var last *picture
	var err error
	over := make(chan struct{})
	go func() {
		defer close(over)
		last, err = watch.watch(ctx, w.client(), "")
	}()
	stop := func() (*picture, error) { cancel(); <-over; return last, err }
	t.Cleanup(func() { _, _ = stop() })
	return term, watch, stop
}

func TestWatchDrawsInPlaceAndRestoresTheTerminal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		w.tree.Since = time.Now().Add(-time.Minute)
		term, watch, stop := watching(t, w)
		first := term.take()
		require.True(t, strings.HasPrefix(first, enterScreen+"\x1b[H"), "%q", first)
		require.Contains(t, first, "shop: well for 1m.")
		require.True(t, strings.HasSuffix(first, "\r\n\x1b[J"))
		require.NotRegexp(t, `[^\r]\n`, first)

		pass(time.Second)
		require.Contains(t, term.take(), "shop: well for 1m1s.", "ages go on without news")

		term.mu.Lock()
		term.columns, term.rows = 12, 3
		term.mu.Unlock()
		watch.resized <- os.Interrupt
		require.Equal(t, "\x1b[H\x1b[Kshop: well …\r\n\x1b[Kshop    run…\r\n\x1b[K└─ api  run…", term.take(),
			"no line end behind the last line, which would scroll")

		suspended := false
		watch.suspend = func() { suspended = true }
		watch.suspended <- os.Interrupt
		text := term.take()
		require.True(t, suspended)
		require.True(t, strings.HasPrefix(text, leaveScreen+enterScreen), "%q", text)

		last, err := stop()
		require.NoError(t, err)
		require.NotNil(t, last)
		text = term.take()
		require.True(t, strings.HasPrefix(text, leaveScreen+"shop: well"), "%q", text)
		require.NotContains(t, text, enterScreen)
	})
}

func TestWatchShowsWhenTheConnectionIsLostAndBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		term, _, stop := watching(t, w)
		term.take()
		w.lose()
		require.Contains(t, term.take(), "Connection lost 0s ago, next try in 1s.")
		pass(6 * time.Second)
		require.Contains(t, term.take(), "Connection lost 6s ago")
		w.back()
		pass(10 * time.Second)
		text := term.take()
		require.NotContains(t, text[strings.LastIndex(text, "\x1b[H"):], "lost")
		w.lose()
		last, err := stop()
		require.NoError(t, err)
		require.NotEmpty(t, last.lost)
	})
}

func TestWatchOfAServerThatRefusesLeavesTheTerminalAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWire()
		w.status = 403
		term, _, _ := watching(t, w)
		require.Empty(t, term.take())
	})
}
