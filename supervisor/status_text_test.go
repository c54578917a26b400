package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// talker is a child whose contexts the test receives, one for each run.
func talker() (spec child.Spec, runs <-chan child.Context, p *puppet) {
	c, p := make(chan child.Context, 10), newPuppet()
	return child.Spec{Name: "a", Run: func(ctx child.Context) error {
		c <- ctx
		return p.Run(ctx)
	}}, c, p
}

func TestStatusTextIsShownUntilTheRunEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec, runs, p := talker()
		spec.Backoff = child.Constant(time.Second)
		sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
		first := <-runs
		first.Status("lag 3 s")
		st := lookup(t, sup, "a")
		require.Equal(t, "lag 3 s", st.Text)
		require.Equal(t, "lag 3 s", sup.Tree().Children[0].Text)
		require.Equal(t, "lag 3 s", sup.Children()[0].Text)
		require.Contains(t, sup.Tree().String(), "lag 3 s")
		text, err := json.Marshal(st)
		require.NoError(t, err)
		require.Contains(t, string(text), `"text":"lag 3 s"`)

		first.Status("")
		require.Empty(t, lookup(t, sup, "a").Text)

		first.Status("lag 4 s")
		p.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "a"))
		require.Empty(t, lookup(t, sup, "a").Text, "it does not run")
		first.Status("a late word")
		time.Sleep(time.Second)
		<-runs
		require.Empty(t, lookup(t, sup, "a").Text, "the new run has said nothing")
		first.Status("a late word")
		require.Empty(t, lookup(t, sup, "a").Text)
	})
}

func TestStatusTextOfARunThatStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{
			Name: "a", StopTimeout: 10 * time.Second, Run: func(ctx child.Context) error {
				ctx.Status("warming up") // before Ready
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				ctx.Status("flushing")
				time.Sleep(time.Minute)
				ctx.Status("abandoned")
				return nil
			},
		}}})
		require.Equal(t, "warming up", lookup(t, sup, "a").Text)
		go func() { _ = sup.StopChild(context.Background(), "a") }()
		synctest.Wait()
		require.Equal(t, "flushing", lookup(t, sup, "a").Text)
		time.Sleep(2 * time.Minute)
		require.Empty(t, lookup(t, sup, "a").Text)
	})
}

func TestStatusTextIsOneShortLine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec, runs, _ := talker()
		sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
		ctx := <-runs
		for said, want := range map[string]string{
			"one\ntwo":                   "one",
			"\n":                         "",
			strings.Repeat("x", 200):     strings.Repeat("x", 200),
			strings.Repeat("x", 1<<20):   strings.Repeat("x", 197) + "…",
			strings.Repeat("é", 101):     strings.Repeat("é", 98) + "…",
			strings.Repeat("\x80", 1000): "…",
			"\x1b[31mred":                "\x1b[31mred", // escaped where it is shown
		} {
			ctx.Status(said)
			got := lookup(t, sup, "a").Text
			require.Equal(t, want, got)
			require.True(t, len(got) <= 200 && (utf8.ValidString(got) || !utf8.ValidString(said)))
		}
		ctx.Status("\x1b[31mred")
		require.NotContains(t, sup.Tree().String(), "\x1b")
		text, err := json.Marshal(sup.Tree())
		require.NoError(t, err)
		require.NotContains(t, string(text), "\x1b")
	})
}

func TestEventStatusComesWhenTheTextChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelDebug)
		spec, runs, _ := talker()
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{spec}})
		r := record(t, sup, supervisor.EventStatus)
		ctx := <-runs
		for _, text := range []string{"", "one", "one", "one\n", "two", ""} {
			ctx.Status(text)
			synctest.Wait() // it is delivered
		}
		var texts []string
		for _, e := range r.take() {
			require.Equal(t, "/root/a", e.Path)
			require.Equal(t, lookup(t, sup, "a").Run, e.Run)
			texts = append(texts, e.Text)
		}
		require.Equal(t, []string{"one", "two", ""}, texts)
		for _, line := range log.lines() {
			require.NotContains(t, line, "status")
		}
	})
}

// Ten thousand changes while a subscriber is slow: it receives the latest text, nothing is
// lost, and other events keep their places.
func TestASlowSubscriberReceivesTheLatestText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, runsA, _ := talker()
		b, runsB, _ := talker()
		b.Name = "b"
		sup := start(t, supervisor.Spec{Children: []child.Spec{a, b}})
		ctxA, ctxB := <-runsA, <-runsB
		release := make(chan struct{})
		var got []string
		cancel := sup.Subscribe(func(e supervisor.Event) {
			<-release
			require.Zero(t, e.Lost)
			got = append(got, e.String())
		})
		defer cancel()
		ctxA.OnError(errBoom)
		synctest.Wait() // it is busy with that
		ctxA.Status("0")
		ctxA.OnError(errBoom)
		for i := range 10_000 {
			ctxB.Status(string(rune('a' + i%2)))
			ctxA.Status(string(rune('a' + i%2)))
		}
		close(release)
		synctest.Wait()
		require.Equal(t, []string{"error /root/a: boom", "status /root/a: b", "error /root/a: boom", "status /root/b: b"}, got)

		ctxA.Status("again") // the place in the queue is free
		synctest.Wait()
		require.Equal(t, "status /root/a: again", got[len(got)-1])
	})
}

// When the queue drops an EventStatus, the next one is queued, not put into the dropped
// one's place.
func TestAnEventStatusThatIsDroppedLosesItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, runs, _ := talker()
		sup := start(t, supervisor.Spec{Strategy: 0, Children: []child.Spec{a, {Name: "b", Run: idle}}})
		ctx := <-runs
		release := make(chan struct{})
		var last supervisor.Event
		texts := 0
		cancel := sup.Subscribe(func(e supervisor.Event) {
			<-release
			if e.Kind == supervisor.EventStatus {
				last = e
				texts++
			}
		}, supervisor.EventStatus, supervisor.EventStarting)
		defer cancel()
		require.NoError(t, sup.RestartChild(t.Context(), "b"))
		synctest.Wait()
		ctx.Status("early")
		for range 1500 {
			require.NoError(t, sup.RestartChild(t.Context(), "b"))
		}
		ctx.Status("late")
		close(release)
		synctest.Wait()
		require.Equal(t, 1, texts)
		require.Equal(t, "late", last.Text)
	})
}

func TestStatusTextWithoutASupervisor(t *testing.T) {
	child.FromContext(t.Context()).Status("no effect")
}

// A text says something of one run, so that of the next run comes after its EventStarting,
// however slow the subscriber is.
func TestTheTextOfARunComesAfterItsStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec, runs, p := talker()
		sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
		ctx, release := <-runs, make(chan struct{})
		var got []string
		defer sup.Subscribe(func(e supervisor.Event) {
			<-release
			got = append(got, fmt.Sprint(e.Kind, " ", e.Text, " of run ", e.Run, " ", e.Restarts))
		})()
		ctx.OnError(errBoom)
		synctest.Wait() // the subscriber is busy with that
		ctx.Status("one")
		ctx.Status("two")
		p.end(errBoom)
		ctx = <-runs
		synctest.Wait()
		ctx.Status("three")
		ctx.Status("four")
		close(release)
		synctest.Wait()
		require.Equal(t, []string{
			"error  of run 1 0", "status two of run 1 0", "failed  of run 1 0", "restarting  of run 1 0",
			"starting  of run 2 1", "ready  of run 2 1", "status four of run 2 1",
		}, got)

		ctx.Status("five") // the places in the queue are free
		synctest.Wait()
		require.Equal(t, "status five of run 2 1", got[len(got)-1])
	})
}
