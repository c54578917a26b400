package observer_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/blackbox"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// lifeIn writes the recording of a process, with or without the mark of a clean end.
func lifeIn(t *testing.T, dir string, end string) {
	t.Helper()
	const name = "20261101T101500.123456Z-4711"
	require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
	text := `{"v":1,"begin":"` + name + `","file":1,"next":1,"began":"2026-11-01T10:15:00.123456789Z","root":"/shop","pid":4711,"go":"go1.26.8"}
{"n":1,"seq":7,"time":"2026-11-01T10:15:00.123456789Z","event":"starting","path":"/shop/a","run":1}
` + end
	require.NoError(t, os.WriteFile(filepath.Join(dir, name, "events-000001.jsonl"), []byte(text), 0o600))
}

func TestTheHeadSaysThatTheProcessBeforeWasKilled(t *testing.T) {
	for name, test := range map[string]struct {
		end  string
		says string
	}{
		"killed": {"", "The process before this one did not end well: 20261101T101500.123456Z-4711 /shop: ended without a stop"},
		"clean":  {`{"end":"clean","time":"2026-11-01T10:15:01Z","last":1}` + "\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lifeIn(t, dir, test.end)
			root := declare(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "a", Run: idle}}})
			stop := blackbox.Watch(root, blackbox.Spec{Dir: dir})
			defer stop()
			require.NoError(t, root.Start(t.Context()))
			defer func() { require.NoError(t, root.Stop(t.Context())) }()
			require.Eventually(t, func() bool { _, ok := blackbox.Last(root); return ok }, 10*time.Second, time.Millisecond)
			head := get[view.Causes](t, observe(t, root, observer.Spec{}), "/causes.json")
			if test.says == "" {
				require.Empty(t, head.Before)
			} else {
				require.Contains(t, head.Before, test.says)
			}
		})
	}
}
