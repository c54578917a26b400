package supervisortest_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// pair is a tree with db, ready after a second, and api.
func pair() (spec supervisor.Spec, db, api *supervisortest.Child) {
	db, api = &supervisortest.Child{ReadyAfter: time.Second}, &supervisortest.Child{}
	spec = supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: db.Run}, {Name: "api", Run: api.Run}}}
	return spec, db, api
}

func TestAwaitFindsEachEventOnce(t *testing.T) {
	t.Parallel() // in real time
	spec, db, api := pair()
	db.ReadyAfter = 0
	sup := supervisortest.Start(t, spec)
	events := supervisortest.Record(t, sup)
	first := events.Await(t, supervisortest.Match{Kind: supervisor.EventReady, Path: "api"})
	require.Equal(t, "/shop/api", first.Path)
	api.End(t, errBoom)
	failed := events.Await(t, supervisortest.Match{Err: errBoom})
	require.Equal(t, supervisor.EventFailed, failed.Kind)
	again := events.Await(t, supervisortest.Match{Kind: supervisor.EventReady, Path: "/shop/api"})
	require.Equal(t, 1, again.Restarts)
}

func TestAwaitAllTakesEventsInAnyOrder(t *testing.T) {
	supervisortest.Run(t, func() supervisor.Spec { spec, _, _ := pair(); return spec }, func(h *supervisortest.Harness) {
		found := h.Events.AwaitAll(h.T,
			supervisortest.Match{Kind: supervisor.EventReady, Path: "api"},
			supervisortest.Match{Kind: supervisor.EventReady, Path: "db"},
			supervisortest.Match{Kind: supervisor.EventStarting})
		require.Equal(t, "/shop/api", found[0].Path)
		require.Equal(t, "/shop/db", found[1].Path)
		require.Equal(t, "/shop/db", found[2].Path)
	})
}

// A match that fits many events leaves to a narrower one the event that alone fits it.
func TestAwaitAllFindsAnEventForEachMatchInAnyOrderOfTheMatches(t *testing.T) {
	supervisortest.Run(t, func() supervisor.Spec { spec, _, _ := pair(); return spec }, func(h *supervisortest.Harness) {
		found := h.Events.AwaitAll(h.T,
			supervisortest.Match{},
			supervisortest.Match{Kind: supervisor.EventStarting},
			supervisortest.Match{Kind: supervisor.EventStarting, Path: "db"},
			supervisortest.Match{Kind: supervisor.EventReady})
		require.Equal(t, supervisor.EventStarting, found[1].Kind)
		require.Equal(t, "/shop/api", found[1].Path)
		require.Equal(t, "/shop/db", found[2].Path)
		require.Equal(t, supervisor.EventReady, found[3].Kind)
		require.NotEqual(t, found[0].Seq, found[3].Seq)
	})
}

func TestAwaitOfAMissingEventPrintsAllEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			spec, _, _ := pair()
			events := supervisortest.Record(t, supervisortest.Start(t, spec))
			events.Await(t, supervisortest.Match{Kind: supervisor.EventFailed, Path: "dbb", Err: errBoom})
		})
		require.Contains(t, text, `Await: no failed dbb: boom within 48h0m0s. There is no child /shop/dbb in the tree now.
events of /shop:
        0s  starting /shop/db
        1s  ready /shop/db
        1s  starting /shop/api
        1s  ready /shop/api`)
	})
}

func TestOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		lines []string
		want  string // why it fails
	}{
		"as it was":      {lines: []string{"start db", "ready db", "start api", "ready api"}},
		"some of it":     {lines: []string{"ready db", "ready api"}},
		"full paths":     {lines: []string{"ready /shop/db", "starting /shop/api"}},
		"wrong order":    {lines: []string{"start api", "ready db"}, want: `Order: event 1: want "start api", got "ready /shop/db".`},
		"does not come":  {lines: []string{"ready api", "fail api"}, want: `Order: no "fail api" within 48h0m0s.`},
		"unknown path":   {lines: []string{"ready web"}, want: `Order: no "ready web" within 48h0m0s. There is no child /shop/web in the tree now.`},
		"unknown kind":   {lines: []string{"begin db"}, want: `Order: "begin db": unknown kind of event: use one of starting, ready, failed, restarting,`},
		"no path":        {lines: []string{"ready"}, want: `Order: "ready": want a kind of event and a path, such as "ready db"`},
		"nothing wanted": {want: `Order: no lines: pass the expected events, such as "start db", "ready db"`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text := failing.Test(t, func(t testing.TB) {
					spec, _, _ := pair()
					supervisortest.Record(t, supervisortest.Start(t, spec)).Order(t, tc.lines...)
				})
				if tc.want == "" {
					require.Empty(t, text)
				} else {
					require.Contains(t, text, tc.want)
				}
			})
		})
	}
}

func TestOrderFindsAnEventThatComesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			spec, db, _ := pair()
			sup := supervisortest.Start(t, spec)
			db.End(t, errBoom)
			supervisortest.Record(t, sup).Order(t, "start db", "fail db", "stop api")
		})
		require.Contains(t, text, `Order: event 3: want "stop api", got "starting /shop/db".`)
	})
}

func TestRecordOfATreeThatTheTestStartsItself(t *testing.T) {
	t.Parallel()
	spec, _, _ := pair()
	spec.Children = spec.Children[1:]
	sup := supervisor.New(spec)
	events := supervisortest.Record(t, sup)
	require.Equal(t, "events of /shop:\n  none", events.String())
	require.NoError(t, sup.Start(t.Context()))
	require.NoError(t, sup.Stop(t.Context()))
	events.Order(t, "start api", "ready api", "up /shop", "closing /shop", "stop api", "stopped api", "over /shop")
	require.Len(t, events.Events(), 7)
}

func TestRecordOfNilSaysWhatToPass(t *testing.T) {
	text := failing.Test(t, func(t testing.TB) { supervisortest.Record(t, nil) })
	require.Contains(t, text, "Record: sup is nil: pass the result of supervisor.New or supervisortest.Start")
}

func TestSkipMovesBehindAllEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec, db, _ := pair()
		events := supervisortest.Record(t, supervisortest.Start(t, spec))
		synctest.Wait()
		events.Skip()
		db.End(t, errBoom)
		events.Order(t, "fail db", "start db", "ready db")
	})
}

func TestEventsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			spec, _, _ := pair()
			supervisortest.Record(t, supervisortest.Start(t, spec)).Order(t, "fail db")
		})
		require.Equal(t, 1, strings.Count(text, "events of /shop"))
	})
}

func TestMatchIsOneHarmlessLine(t *testing.T) {
	m := supervisortest.Match{Kind: supervisor.EventFailed, Path: "a\x1b", Err: errors.Join(errors.New("b"), errors.New("c"))}
	require.Equal(t, `failed a\x1b: b; c`, m.String())
}
