package blackbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// An event that uses each field.
var full = supervisor.Event{
	Seq: 7, Time: time.Date(2026, 11, 1, 10, 15, 0, 123456789, time.UTC), Kind: supervisor.EventStopping,
	Path: "/shop/日本", Run: 17, Restarts: 3, Ready: true, Err: errors.New("a \"quoted\"\nerror\U000e0041"), Delay: 1500 * time.Millisecond,
	Stack: []byte("goroutine 1\n\tmain.go:1"), Text: "lag 3 s", Reason: supervisor.ReasonRestartChild, By: "alice", Because: 5,
}

func TestTheLineOfAnEventHasTheFieldsOfItsJSON(t *testing.T) {
	line := appendEvent(nil, 12, &full, textOf(full.Err), full.Stack)
	var got, want map[string]any
	require.NoError(t, json.Unmarshal(line, &got))
	require.EqualValues(t, 12, got["n"])
	delete(got, "n")
	text, err := full.MarshalJSON()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &want))
	require.Equal(t, want, got)

	r, ok := parse(line)
	require.True(t, ok)
	e := r.event()
	require.EqualError(t, e.Err, full.Err.Error())
	e.Err = full.Err
	require.Equal(t, full, e)
}

// The format is a promise: this file grows, but its lines do not change.
func TestTheFormatOfVersion1(t *testing.T) {
	var text []byte
	at := full.Time
	text = appendNote(text, begin{Version: 1, Life: nameOf(at, 4711), File: 1, Next: 1, Began: at, Root: "/shop", PID: 4711, Program: "example.com/shop v1.2.3", Go: "go1.26.8"})
	text = appendEvent(text, 1, &full, textOf(full.Err), full.Stack)
	text = appendNote(text, dumped{Dump: "dump-0001-hung", Time: at, Kind: "hung", Path: "/shop/a", N: 1, Skipped: 2, Problem: "tree.json: has more than 10 bytes"})
	text = appendNote(text, trouble{Trouble: "no space left on device", Since: at, Time: at.Add(time.Second)})
	text = appendNote(text, ending{End: Clean, Time: at, Last: 1, Err: "/shop: gave up"})
	golden, err := os.ReadFile(filepath.Join("testdata", "version1.jsonl"))
	require.NoError(t, err)
	require.Equal(t, string(golden), string(text))
}

func TestPrintOfARecordingOfVersion1(t *testing.T) {
	restore := time.Local
	time.Local = time.UTC
	defer func() { time.Local = restore }()
	dir := t.TempDir()
	life := filepath.Join(dir, nameOf(full.Time, 4711))
	require.NoError(t, os.MkdirAll(filepath.Join(life, "dump-0001-hung"), 0o700))
	golden, err := os.ReadFile(filepath.Join("testdata", "version1.jsonl"))
	require.NoError(t, err)
	later := `{"n":3,"seq":3,"time":"2026-11-01T10:15:01Z","event":"exploded","path":"/shop/a","err":"of a later version"}` + "\n"
	end := bytes.LastIndex(golden, []byte(`{"end"`))
	text := string(golden[:end]) + later + "garbage\n" + string(golden[end:])
	require.NoError(t, os.WriteFile(filepath.Join(life, eventsFile(1)), []byte(text), 0o600))
	want := fmt.Sprintf(`life     20261101T101500.123456Z-4711
root     /shop
process  4711, example.com/shop v1.2.3, go1.26.8
began    2026-11-01 10:15:00.123 +00:00
end      the tree ended: /shop: gave up, last record at 2026-11-01 10:15:00
dump     %s

2026-11-01
10:15:00.123  stopping /shop/日本 in 1.5s: lag 3 s: a "quoted"; error\U000e0041 (restart-child by alice)
              goroutine 1
              	main.go:1
10:15:00.123  dump dump-0001-hung of /shop/a; incomplete: tree.json: has more than 10 bytes
10:15:01.123  nothing could be written since 10:15:00.123: no space left on device
              1 event before: not shown, removed or lost
10:15:01.000  exploded /shop/a: of a later version
the tree ended: /shop: gave up, last record at 2026-11-01 10:15:00
`, filepath.Join(life, "dump-0001-hung"))
	require.Equal(t, want, printed(t, dir, Options{Stacks: true}))
	require.Equal(t, want, printed(t, life, Options{Stacks: true}))
	require.Equal(t, strings.ReplaceAll(want, "              goroutine 1\n              \tmain.go:1\n", ""), printed(t, life, Options{}))

	lines := strings.Split(printed(t, dir, Options{JSON: true}), "\n")
	require.Equal(t, `{"v":1,"life":{"name":"20261101T101500.123456Z-4711","dir":"`+life+`","root":"/shop","pid":4711,`+
		`"program":"example.com/shop v1.2.3","go":"go1.26.8","began":"2026-11-01T10:15:00.123456789Z",`+
		`"latest":"2026-11-01T10:15:00.123456789Z","end":"clean","err":"/shop: gave up","dumps":["dump-0001-hung"]}}`, lines[0])
	require.Len(t, lines, 1+5+1, "the life, two events, three notes, and nothing after the last line")
	for _, line := range lines[:6] {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.Equal(t, string(golden), strings.Join(append([]string{strings.TrimSuffix(string(golden[:bytes.IndexByte(golden, '\n')]), "\n")},
		append(lines[1:4:4], lines[5], "")...), "\n"), "as they are stored")

	file := printed(t, filepath.Join(life, eventsFile(1)), Options{})
	require.True(t, strings.HasPrefix(file, "2026-11-01\n10:15:00.123  stopping /shop/日本"), file)
}

func TestPrintNamesTheOtherLives(t *testing.T) {
	dir := t.TempDir()
	var dirs []string
	for range 3 {
		s := openStore(t, dir, 3)
		s.close()
		dirs = append(dirs, s.life)
	}
	text := printed(t, dir, Options{})
	require.Contains(t, text, "  "+dirs[0]+" /shop: ended without a stop")
	require.Contains(t, text, "  "+dirs[1]+" /shop: ended without a stop")
	require.Contains(t, text, "> "+dirs[2]+" /shop: ended without a stop")
	require.Contains(t, text, "life     "+dirs[2])
}

func TestWhyAnEventHappened(t *testing.T) {
	for want, e := range map[string]supervisor.Event{
		"":                      {Reason: supervisor.ReasonFailed, By: "/a", Path: "/a"},
		"together with /shop/a": {Reason: supervisor.ReasonGroup, By: "/shop/a", Path: "/shop/b"},
		"stop-child by alice":   {Reason: supervisor.ReasonStopChild, By: "alice"},
		"by bob":                {Reason: supervisor.ReasonShutdown, By: "bob"},
	} {
		require.Equal(t, want, reason(&e))
	}
}

func TestARecordingOfAnOperatorsRequestSaysWho(t *testing.T) {
	dir := t.TempDir()
	root := shop(child.Spec{Name: "a", Run: idle})
	live(t, root, Spec{Dir: dir, Logger: quiet}, func() {
		ctx := supervisor.WithRequest(context.Background(), supervisor.Request{By: "alice\x1b"})
		require.NoError(t, root.RestartChild(ctx, "a"))
	})
	text := printed(t, dir, Options{})
	require.Contains(t, text, `by alice\x1b)`)
	require.Contains(t, text, "request /shop/a (restart-child) by alice\\x1b\n", "once is enough")
}

func TestTheWriterOfPrintFails(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, 3).close()
	require.ErrorIs(t, Print(failingWriter{}, dir, Options{}), errBoom)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errBoom }
