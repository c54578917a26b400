package observer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
)

var t0 = time.Date(2026, 11, 27, 2, 41, 7, 0, time.UTC)

// feed gives a memory an event at a number of seconds after t0.
func feed(m *memory, seconds float64, kind supervisor.EventKind, path string, err error) {
	m.tree++
	e := supervisor.Event{Seq: m.tree, Time: t0.Add(time.Duration(seconds * float64(time.Second))), Kind: kind, Path: path, Err: err}
	m.tree--
	m.see(e)
}

func TestTwoMillionRestartsLeaveTheFirstFailureAndTheGiveUp(t *testing.T) {
	n := 1_000_000
	if race {
		n /= 50 // there is nothing concurrent in it
	}
	m := newMemory(1000)
	first := errors.New("read 1: unexpected EOF")
	feed(m, 0, supervisor.EventFailed, "/shop/feeds/dialer", first)
	for i := range n {
		feed(m, 1+float64(i)/float64(n), supervisor.EventRestarting, "/shop/feeds/dialer", first)
		feed(m, 1+float64(i)/float64(n), supervisor.EventFailed, "/shop/feeds/dialer", fmt.Errorf("read %d: unexpected EOF", i+2))
		if i == n/2 {
			feed(m, 1+float64(i)/float64(n), supervisor.EventGaveUp, "/shop/feeds", errors.New("gave up"))
		}
	}
	require.Equal(t, uint64(2*n+2), m.last)
	all := m.all()
	require.Len(t, all, 1002)
	require.Equal(t, supervisor.EventFailed, all[0].kind)
	require.Equal(t, uint64(1), all[0].seq)
	require.Equal(t, first.Error(), all[0].err)
	require.Equal(t, supervisor.EventGaveUp, all[1].kind)
	for i := 1; i < len(all); i++ {
		require.Less(t, all[i-1].seq, all[i].seq, "in order")
	}
	p, ok := m.paths.get("/shop/feeds/dialer")
	require.True(t, ok)
	require.Equal(t, uint64(n+1), p.failures)
	require.Equal(t, moment{t0, first.Error(), 1}, p.first)
	require.Equal(t, fmt.Sprintf("read %d: unexpected EOF", n+1), p.last.text)
	events, more := pick(all, &picker{trouble: true}, 10, true, false)
	require.False(t, more)
	require.Len(t, events, 2)
	require.Equal(t, []string{"failed", "gave-up"}, []string{events[0].Kind.String(), events[1].Kind.String()})
	require.Equal(t, 501, events[0].N, "like ones are one line")
}

func TestAStormBeginsAfterAMinuteWithout(t *testing.T) {
	m := newMemory(1)
	boom := errors.New("boom 7")
	for _, at := range []float64{0, 1, 61, 122, 122.5, 300} { // 61 is within the minute
		feed(m, at, supervisor.EventFailed, "/shop/a", boom)
	}
	var begins []float64
	for i := range m.storms.count {
		begins = append(begins, m.storms.at(i).at.Sub(t0).Seconds())
	}
	require.Equal(t, []float64{0, 122, 300}, begins)
}

func TestTheRingIsBoundedInNumberAndSize(t *testing.T) {
	m := newMemory(100)
	for i := range 250 {
		feed(m, float64(i), supervisor.EventReady, "/shop/a", nil)
	}
	require.Equal(t, 100, m.ring.count)
	require.Equal(t, uint64(151), m.ring.at(0).seq)
	require.Len(t, m.ring.records, 100)
	long := errors.New(strings.Repeat("A", 64<<10))
	for i := range 250 {
		feed(m, float64(250+i), supervisor.EventError, "/shop/a", long)
	}
	require.LessOrEqual(t, m.ring.size, 100*perRecord)
	require.Greater(t, m.ring.count, 30)
	require.Len(t, m.ring.at(0).err, view.MaxText)
	m.keep(200)
	m.keep(10)
	for i := range 500 {
		feed(m, float64(600+i), supervisor.EventReady, "/shop/a", nil)
	}
	require.Equal(t, 200, m.ring.count, "the larger Keep counts")
	size := 0
	for i := range m.ring.count {
		size += m.ring.at(i).size()
	}
	require.Equal(t, size, m.ring.size)
}

// A child that says much, such as a progress bar, must not displace why another one fails.
func TestStatusTextsDisplaceNothingElse(t *testing.T) {
	m := newMemory(80)
	feed(m, 0, supervisor.EventStatus, "/shop/a", nil)
	feed(m, 1, supervisor.EventFailed, "/shop/db", errors.New("refused"))
	feed(m, 2, supervisor.EventRestarting, "/shop/db", errors.New("refused"))
	for i := range 10_000 {
		feed(m, 3+float64(i)/100, supervisor.EventStatus, "/shop/job", nil)
	}
	feed(m, 200, supervisor.EventStarting, "/shop/db", nil)
	require.Equal(t, 3, m.ring.count)
	require.Equal(t, 10, m.texts.count)
	var seqs []uint64
	for _, rec := range m.all() {
		seqs = append(seqs, rec.seq)
	}
	require.Equal(t, []uint64{2, 3, 9994, 9995, 9996, 9997, 9998, 9999, 10000, 10001, 10002, 10003, 10004}, seqs)
	require.True(t, m.since().IsZero(), "nothing else is missing since the beginning")
	require.Equal(t, view.Ring{First: 2, Last: 10004, Kept: 13}, m.span())

	records, gone := m.after(1, 3)
	require.Equal(t, []uint64{2, 3, 9994}, []uint64{records[0].seq, records[1].seq, records[2].seq})
	require.Equal(t, uint64(9990), gone)
	records, gone = m.after(9994, 500)
	require.Len(t, records, 10)
	require.Zero(t, gone)
	records, gone = m.after(10004, 500)
	require.Empty(t, records)
	require.Zero(t, gone)
	require.Equal(t, &view.Missed{N: 10001, Kept: 11, From: m.texts.at(0).at, To: t0.Add(200 * time.Second)}, m.missed(3))
	require.Nil(t, m.missed(10004))
	feed(m, 201, supervisor.EventStatus, "/shop/job", nil)
	require.Equal(t, &view.Missed{N: 1, Kept: 1, From: t0.Add(201 * time.Second), To: t0.Add(201 * time.Second)}, m.missed(10004))
}

func TestTheStatusTextsOfARunAreOneRow(t *testing.T) {
	m := newMemory(100)
	say := func(seconds float64, path, text string) {
		m.tree++
		e := supervisor.Event{Seq: m.tree, Time: t0.Add(time.Duration(seconds * float64(time.Second))), Kind: supervisor.EventStatus, Path: path, Text: text, Run: 1}
		m.tree--
		m.see(e)
	}
	feed(m, 0, supervisor.EventFailed, "/shop/db", errors.New("refused"))
	for i := range 10 {
		say(float64(i+1), "/shop/job", fmt.Sprint(i+1, " of 10"))
	}
	say(12, "/shop/other", "busy")
	all := m.all()
	events, _ := pick(all, &picker{}, 100, true, false)
	check := func(failed, job, other view.Event) {
		require.Equal(t, supervisor.EventFailed, failed.Kind)
		require.Equal(t, 10, job.N)
		require.Equal(t, 1, job.Paths)
		require.Equal(t, "10 of 10", job.Text, "the last one")
		require.Equal(t, t0.Add(time.Second), job.Time)
		require.Equal(t, t0.Add(10*time.Second), job.TimeTo)
		require.Equal(t, "busy", other.Text)
	}
	require.Len(t, events, 3)
	check(events[0], events[1], events[2])
	slices.Reverse(all)
	events, _ = pick(all, &picker{}, 100, true, true)
	require.Len(t, events, 3)
	check(events[2], events[1], events[0])

	model := build(shop(leaf("db", waiting("refused")), leaf("job", child.Status{State: child.Running})), t0, 0)
	v := view.Child{Node: model.node(0)}
	m.tell(&v, model)
	require.Len(t, v.Events, 3)
	require.Equal(t, []string{"busy", "10 of 10", ""}, []string{v.Events[0].Text, v.Events[1].Text, v.Events[2].Text})
}

func TestWhatIsRememberedBeyondTheRingIsBounded(t *testing.T) {
	m := newMemory(10)
	const n = mostPaths + 500
	for i := range n {
		feed(m, float64(i), supervisor.EventFailed, fmt.Sprintf("/shop/s-%d", i), fmt.Errorf("boom %s", strings.Repeat("x", i%(3*mostCauses))))
		feed(m, float64(i), supervisor.EventReady, fmt.Sprintf("/shop/s-%d", i), nil)
		feed(m, float64(i), supervisor.EventGaveUp, "/shop", errors.New("gave up"))
		m.add(&record{kind: supervisor.EventFailed, path: fmt.Sprintf("/shop/s-%d", i), tree: m.tree + 1, at: t0}, "stack")
	}
	require.Len(t, m.paths.byKey, mostPaths)
	require.Len(t, m.causes.byKey, mostCauses)
	require.LessOrEqual(t, m.storms.count, mostFirsts)
	require.LessOrEqual(t, m.gaveUps.count, mostFirsts)
	require.Len(t, m.panics, mostPanics)
	require.LessOrEqual(t, len(m.recovered), mostRecovered)
	require.LessOrEqual(t, len(m.forms), 4*mostCauses)
	_, ok := m.paths.get("/shop/s-0")
	require.False(t, ok, "the oldest is forgotten")
	_, ok = m.paths.get(fmt.Sprintf("/shop/s-%d", n-1))
	require.True(t, ok)
}

func TestNumbersGoOnWhenTheRootStartsAgain(t *testing.T) {
	m := newMemory(10)
	see := func(e supervisor.Event) { e.Time = t0; m.see(e) }
	see(supervisor.Event{Seq: 1, Kind: supervisor.EventFailed, Path: "/shop/a"})
	see(supervisor.Event{Seq: 4, Kind: supervisor.EventRestarting, Path: "/shop/a", Because: 1, Lost: 2})
	see(supervisor.Event{Seq: 1, Kind: supervisor.EventStarting, Path: "/shop/a"})
	see(supervisor.Event{Seq: 2, Kind: supervisor.EventFailed, Path: "/shop/a"})
	see(supervisor.Event{Seq: 9, Kind: supervisor.EventLateExit, Path: "/shop/a"}) // of the start before
	see(supervisor.Event{Seq: 3, Kind: supervisor.EventRestarting, Path: "/shop/a", Because: 2})
	see(supervisor.Event{Seq: 4, Kind: supervisor.EventGaveUp, Path: "/shop", Because: 77})
	var because []uint64
	for i, rec := range m.all() {
		require.Equal(t, uint64(i+1), rec.seq)
		because = append(because, rec.because)
	}
	require.Equal(t, []uint64{0, 1, 0, 0, 0, 4, 0}, because)
	require.Equal(t, uint64(2), m.lost)
	require.Equal(t, uint64(3), m.began)
	chain := ledTo(m.all(), 6)
	require.Len(t, chain, 2)
	require.Equal(t, uint64(4), chain[0].seq)
}

func TestOnlyWhatStaysWellHasRecovered(t *testing.T) {
	m := newMemory(100)
	boom := errors.New("read: unexpected EOF")
	at := 0.0
	for range 5 { // up and down again
		feed(m, at, supervisor.EventFailed, "/shop/dialer", boom)
		feed(m, at+10, supervisor.EventReady, "/shop/dialer", nil)
		at += 11
	}
	require.Len(t, m.recovered, 1)
	r := m.recovered[0]
	require.Equal(t, uint64(5), r.n)
	require.Equal(t, 54*time.Second, r.down, "all of it is one outage")
	feed(m, at, supervisor.EventFailed, "/shop/dialer", boom)
	require.Empty(t, m.recovered, "it has not")
	feed(m, at+1, supervisor.EventReady, "/shop/dialer", nil)
	feed(m, at+100, supervisor.EventFailed, "/shop/dialer", boom)
	feed(m, at+101, supervisor.EventReady, "/shop/dialer", nil)
	require.Len(t, m.recovered, 2, "two outages")
	require.Equal(t, time.Second, m.recovered[1].down)
}

// The head said "well for 27 s". So what follows is no part of the outage before that.
func TestAnOutageAfterARecoveryBeginsAnew(t *testing.T) {
	m := newMemory(100)
	refused := errors.New("refused")
	head := func(seconds float64, state child.Status) (view.State, float64) {
		root := shop(leaf("db", state))
		root.Since = t0.Add(-time.Hour)
		model := build(root, t0.Add(time.Duration(seconds*float64(time.Second))), 0)
		model.remember(m)
		return model.state, model.since.Sub(t0).Seconds()
	}
	check := func(seconds float64, status child.Status, state view.State, since float64) {
		t.Helper()
		s, at := head(seconds, status)
		require.Equal(t, state, s)
		require.Equal(t, since, at)
	}
	down, up := waiting("refused"), child.Status{State: child.Running}
	feed(m, 0, supervisor.EventFailed, "/shop/db", refused)
	check(600, down, view.Degraded, 0)
	feed(m, 660, supervisor.EventReady, "/shop/db", nil)
	check(661, up, view.Well, 660) // not the hour before
	feed(m, 665, supervisor.EventFailed, "/shop/db", refused)
	check(666, down, view.Degraded, 0) // it was well for too short
	feed(m, 670, supervisor.EventReady, "/shop/db", nil)
	check(697, up, view.Well, 670)
	feed(m, 697, supervisor.EventFailed, "/shop/db", refused)
	down.Since = t0.Add(697 * time.Second)
	check(698, down, view.Degraded, 697)
	require.Empty(t, m.recovered, "it is not well for 28 s")
	feed(m, 700, supervisor.EventReady, "/shop/db", nil)
	require.Len(t, m.recovered, 1)
	require.Equal(t, uint64(3), m.recovered[0].n)
	require.Equal(t, 673*time.Second, m.recovered[0].down, "without the time in which it was well")
}

// What was restarted along is not counted again for each time that its leader fails.
func TestWhatWasRestartedAlongIsNamedOnce(t *testing.T) {
	m := newMemory(100)
	boom := errors.New("boom")
	along := func(at float64, path string) {
		m.tree++
		e := supervisor.Event{Seq: m.tree, Time: t0.Add(time.Duration(at * float64(time.Second))), Kind: supervisor.EventStopped, Path: path,
			Reason: supervisor.ReasonGroup, By: "/shop/feed"}
		m.tree--
		m.see(e)
	}
	feed(m, 0, supervisor.EventFailed, "/shop/other", boom)
	feed(m, 1, supervisor.EventReady, "/shop/other", nil)
	for i := range 3 {
		at := 2 * float64(i)
		feed(m, at+1, supervisor.EventFailed, "/shop/feed", boom)
		along(at+1.1, "/shop/decoder")
		feed(m, at+2, supervisor.EventReady, "/shop/feed", nil)
	}
	require.Len(t, m.recovered, 1)
	require.Equal(t, 2, m.recovered[0].paths)
	require.Equal(t, []string{"decoder"}, m.recovered[0].with)
	require.Equal(t, 1, m.recovered[0].withN)
}

func TestThoseThatRecoverAlikeAreOneLine(t *testing.T) {
	m := newMemory(100)
	for i := range 4000 {
		feed(m, 0, supervisor.EventFailed, fmt.Sprintf("/shop/s-%d", i), fmt.Errorf("dial 10.0.0.1:%d: refused", i+1024))
	}
	for i := range 4000 {
		feed(m, 1+float64(i)/1000, supervisor.EventReady, fmt.Sprintf("/shop/s-%d", i), nil)
	}
	require.Len(t, m.recovered, 1)
	require.Equal(t, 4000, m.recovered[0].paths)
	require.Equal(t, "dial ‹addr›: refused", m.recovered[0].text.String())
}

func TestAMissedHeartbeatIsOneFailure(t *testing.T) {
	m := newMemory(100)
	feed(m, 0, supervisor.EventHung, "/shop/a", nil)
	feed(m, 5, supervisor.EventFailed, "/shop/a", errors.New("no heartbeat"))
	p, _ := m.paths.get("/shop/a")
	require.Equal(t, uint64(1), p.failures)
	require.Equal(t, "no heartbeat", p.first.text)
	feed(m, 6, supervisor.EventReady, "/shop/a", nil)
	feed(m, 7, supervisor.EventFailed, "/shop/a", errors.New("boom"))
	require.Equal(t, uint64(2), p.failures)
}

func TestAReaderIsWokenByTheNextEvent(t *testing.T) {
	m := newMemory(10)
	changed := m.waitFor(0)
	select {
	case <-changed:
		t.Fatal("nothing has happened")
	default:
	}
	feed(m, 0, supervisor.EventReady, "/shop/a", nil)
	<-changed
	<-m.waitFor(0)
}

func TestATrendCountsTheLastHourByMinute(t *testing.T) {
	var s story
	for _, minute := range []int{0, 1, 1, 59, 61, 60} { // events of two supervisors may come out of order
		s.count(t0.Add(time.Duration(minute) * time.Minute))
	}
	sum := func(now int) (sum int, last int) {
		bins := s.trend(t0.Add(time.Duration(now) * time.Minute))
		for _, n := range bins {
			sum += n
		}
		return sum, bins[minutes-1]
	}
	total, last := sum(61)
	require.Equal(t, 3, total, "59, 60 and 61 are within the hour, 1 no more")
	require.Equal(t, 1, last)
	total, _ = sum(120)
	require.Equal(t, 1, total)
	total, _ = sum(500)
	require.Zero(t, total)
}

func TestEventsBeforeAGapAreKeptButThePastBeginsAfterIt(t *testing.T) {
	m := newMemory(3)
	m.attach(t0)
	for i := range 4 {
		feed(m, float64(i), supervisor.EventReady, "/shop/a", nil)
	}
	require.Equal(t, t0.Add(time.Second), m.since(), "the first has left the ring")
	m.attach(t0.Add(time.Hour)) // nobody has observed in between
	require.Equal(t, t0.Add(time.Hour), m.since())
	require.Len(t, m.all(), 3)
}
