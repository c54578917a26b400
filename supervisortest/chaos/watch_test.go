package chaos

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A script has events in the form "1s ready db". "again" is a new start of the tree,
// "stop" its final stop with all children up.
func TestWatchFindsEventsThatMustNotCome(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		broken string
	}{
		"all well":                    {"0s starting x, 0s ready x, 1s failed x, 1s starting x, 2s ready x, 2s stopping x, 3s stopped x, 3s removed x", ""},
		"two live runs":               {"0s starting x, 0s starting x", "starting /root/x, but it was starting"},
		"second run of a ready child": {"0s starting x, 0s ready x, 0s starting x", "starting /root/x, but it was running"},
		"ready after its end":         {"0s starting x, 0s failed x, 0s ready x", "ready /root/x, but it was down"},
		"stopped twice":               {"0s starting x, 0s stopping x, 0s stopping x", "stopping /root/x, but it was stopping"},
		"removed while it runs":       {"0s starting x, 0s removed x", "removed /root/x, but it was starting"},
		"abandoned unasked":           {"0s starting x, 0s abandoned x", "abandoned /root/x, but it was starting"},
		"late exit without abandon":   {"0s late-exit x", "late-exit /root/x, but it was not abandoned"},
		"late exit":                   {"0s starting x, 0s stopping x, 5s abandoned x, 6s starting x, 7s late-exit x", ""},
		"stop in time":                {"0s starting a, 0s stopping a, 5s stopped a, 9s starting a, 10s stopping a, 15s abandoned a", ""},
		"stop too late":               {"0s starting a, 0s stopping a, 6s stopped a", "stopped /root/a: it took 6s to stop, but its stop timeout is 5s"},
		"abandoned too late":          {"0s starting b, 0s stopping b, 6s abandoned b", "abandoned /root/b: it took 6s to stop, but its stop timeout is 1s"},
		"unknown limit":               {"0s starting x, 0s stopping x, 6s stopped x", ""},
		"start in order":              {"again, 0s starting a, 0s ready a, 0s starting b, 0s ready b", ""},
		"start too early":             {"again, 0s starting a, 0s starting b", "starting /root/b, but a, which is declared before it, has not been ready"},
		"stop in reverse":             {"stop, 0s stopping b, 1s stopped b, 1s stopping a", ""},
		"stop in the wrong turn":      {"stop, 0s stopping a", "stopping /root/a, but /root/b, which must stop before it, is not down"},
		"stop too early":              {"stop, 0s stopping b, 0s stopping a", "stopping /root/a, but /root/b, which must stop before it, is not down"},
		"stop out of time":            {"stop, 0s stopping b, 9500ms stopping a", ""},
		"within the intensity":        {"0s restarting a, 1s restarting a, 2s restarting b, 5001ms restarting a", ""},
		"beyond the intensity":        {"0s restarting a, 1s restarting a, 2s restarting b, 5s restarting a", "4 restarts in 5s, but 3 in 5s are permitted: restarting /root/a"},
		"a new window":                {"0s restarting a, 1s restarting a, 2s restarting b, again, 5s restarting a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			tr := testkit.New(t, supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle, StopTimeout: time.Second}}})
			defer tr.LetGo()
			w := newWatch(tr, true)
			began := time.Now()
			for _, line := range strings.Split(tc.script, ", ") {
				switch line {
				case "again":
					w.beginAgain(nil)
				case "stop":
					for _, path := range []string{"a", "b"} {
						w.state["/root/"+path] = running
					}
					w.finalStop(supervisor.Tree{Strategy: strategy.OneForOne, Children: []supervisor.Tree{
						{Status: child.Status{Path: "/root/a"}}, {Status: child.Status{Path: "/root/b"}},
					}}, began)
				default:
					words := strings.Fields(line)
					at, err := time.ParseDuration(words[0])
					require.NoError(t, err)
					e := supervisor.Event{Time: began.Add(at), Path: "/root/" + words[2]}
					require.NoError(t, e.Kind.UnmarshalText([]byte(words[1])))
					w.add(e)
				}
			}
			if tc.broken == "" {
				require.Empty(t, w.broken)
			} else {
				require.Equal(t, []string{tc.broken}, w.broken)
			}
		})
	}
}

func TestWatchFindsAStartWithoutEnd(t *testing.T) {
	tr := testkit.New(t, supervisor.Spec{})
	defer tr.LetGo()
	w := newWatch(tr, true)
	for i, kind := range []supervisor.EventKind{supervisor.EventStarting, supervisor.EventReady, supervisor.EventStopping} {
		require.Len(t, w.withoutEnd(), min(i, 1))
		w.add(supervisor.Event{Kind: kind, Path: "/root/a"})
	}
	require.Equal(t, map[string]string{"/root/a": "the tree has ended, but by its last event /root/a is stopping"}, w.withoutEnd())
	w.add(supervisor.Event{Kind: supervisor.EventStopped, Path: "/root/a"})
	require.Empty(t, w.withoutEnd())
}

func TestWatchFindsALiveRunThatTheStopDoesNotList(t *testing.T) {
	tr := testkit.New(t, supervisor.Spec{StopTimeout: time.Second})
	defer tr.LetGo()
	w := newWatch(tr, true)
	c := &campaign{}
	stop := &supervisor.StopError{Abandoned: []supervisor.AbandonedRun{{Path: "/root/x", After: time.Second}}}
	w.stopped(c, stop, time.Second, map[string]int{"/root/x": 1})
	require.Empty(t, w.broken)
	w.stopped(c, nil, time.Second, map[string]int{"/root/x": 1})
	w.stopped(c, nil, 3*time.Second, nil)
	w.stopped(c, errors.New("odd"), 0, nil)
	require.Equal(t, []string{
		"/root/x has not returned, but the tree's error does not list it: nil",
		"the stop took 3s, but StopTimeout is 1s",
		"the stop returned odd",
	}, w.broken)
}
