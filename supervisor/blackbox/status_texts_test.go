package blackbox

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/supervisor"
)

// recorded returns what a recorder makes of events, one line each.
func recorded(events ...supervisor.Event) (lines []string) {
	r := newRecorder(shop(), Spec{Dir: os.DevNull, MaxSize: defaultMaxSize})
	for i := range events {
		r.add(&events[i], textOf(events[i].Err))
		taken, _ := r.take(nil)
		for line := range strings.Lines(string(taken)) {
			rec, _ := parse([]byte(line))
			lines = append(lines, strings.TrimSpace(fmt.Sprint(rec.N, " ", rec.Kind, " ", rec.Path, " ", rec.Text)))
		}
	}
	return lines
}

func said(path string, after time.Duration, text string) supervisor.Event {
	at := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC).Add(after)
	return supervisor.Event{Kind: supervisor.EventStatus, Path: path, Time: at, Text: text}
}

// A child that says much must not displace why another one has failed.
func TestStatusTextsAreRecordedWithinARate(t *testing.T) {
	var events []supervisor.Event
	for i := range 100_000 {
		events = append(events, said("/shop/job", time.Duration(i)*time.Millisecond, fmt.Sprint(i)))
	}
	got := recorded(events...)
	require.Len(t, got, textsAtOnce+int(100*time.Second/textEvery)-1)
	require.Equal(t, "1 status /shop/job 0", got[0])
	require.Equal(t, "1019 status /shop/job 95000", got[len(got)-1], "those that are left out are not counted")

	later := said("/shop/job", time.Hour, "again")
	require.Equal(t, "1020 status /shop/job again", recorded(append(events, later)...)[len(got)])
	before := said("/shop/job", -time.Hour, "the clock was set back")
	require.Len(t, recorded(append(events, before)...), len(got))
}

func TestWhatAChildSaidLastIsRecordedBeforeItsNextEvent(t *testing.T) {
	var events []supervisor.Event
	for i := range textsAtOnce {
		events = append(events, said("/shop/job", 0, fmt.Sprint(i)))
	}
	lost := said("/shop/job", 2, "2 rows left")
	lost.Lost = 7
	failed := func(path string) supervisor.Event {
		return supervisor.Event{Kind: supervisor.EventFailed, Path: path, Time: said("", 3, "").Time, Err: errBoom}
	}
	events = append(events, said("/shop/job", 1, "3 rows left"), lost, failed("/shop/db"), failed("/shop/job"), failed("/shop/job"))
	require.Equal(t, []string{
		"1008 failed /shop/db", "1009 status /shop/job 2 rows left", "1010 failed /shop/job", "1011 failed /shop/job",
	}, recorded(events...)[textsAtOnce:])
}

func TestTheTextsThatWaitAreBounded(t *testing.T) {
	var all statusTexts
	for i := range textsAtOnce + 2*maxWaiting {
		e := said(fmt.Sprint("/shop/job-", i), 0, "busy")
		require.Equal(t, i < textsAtOnce, all.admits(&e))
	}
	require.Len(t, all.waiting, maxWaiting)
}

func TestTheReportOfALifeHasNoStatusTexts(t *testing.T) {
	dir := t.TempDir()
	root := shop()
	stop := watch(root, Spec{Dir: dir, Logger: quiet})
	r, _ := watched.Load(root)
	for i := range 20 {
		e := supervisor.Event{Kind: supervisor.EventFailed, Path: fmt.Sprint("/shop/db-", i), Time: time.Now(), Err: errBoom}
		r.(*recorder).record(e)
		for range 3 {
			r.(*recorder).record(said("/shop/job", 0, "busy"))
		}
	}
	stop()
	life := lives(t, dir)[0]
	got := life.lastEvents(reportedEvents)
	require.Len(t, got, reportedEvents)
	for i, text := range got {
		require.Contains(t, text, fmt.Sprintf("failed /shop/db-%d: boom", 10+i))
	}
}
