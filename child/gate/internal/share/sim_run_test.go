package share

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var table = flag.Bool("table", false, "simulate all sizes, and write the table into docs/machines.md")

var seeds = flag.Int("seeds", 8, "how many groups are simulated in the test with random events")

const guide = "../../../../docs/machines.md"

// sizes are the rows of the table: members and shards. Those up to small are simulated by
// each run of the tests.
var sizes = [][2]int{{1, 1}, {1, 64}, {3, 16}, {5, 64}, {20, 256}, {5, 4096}, {50, 1024}, {200, 64}, {200, 4096}}

const small = 5

// settle lets the world run until it is balanced.
func settle(t *testing.T, w *world) time.Duration {
	t.Helper()
	began := w.now
	within := 15 * time.Minute
	balanced := w.until(w.now+within, w.balanced)
	require.Empty(t, w.fault)
	require.True(t, balanced, "not balanced within %v: %d shards are idle", within, w.idle)
	return w.now - began
}

// row simulates a group through its life, and returns a row of the table.
func row(t *testing.T, members, shards int) string {
	w := newWorld(uint64(members*100_000+shards), shards)
	for i := range members {
		w.after(time.Duration(w.random.Int64N(int64(time.Second))), func() { w.start(fmt.Sprint("m", i)) })
	}
	require.True(t, w.until(time.Minute, func() bool { return w.idle == 0 }))
	cold := w.now
	settle(t, w)
	startMoves := len(w.moves)

	w.run(time.Minute) // what moves now would move without a reason
	writes := w.writes
	w.run(5 * time.Minute)
	perSecond := float64(w.writes-writes) / (5 * 60)
	require.Len(t, w.moves, startMoves, "it moves although nothing has changed")

	joined := w.now
	w.start("joins")
	w.run(simTTL)
	settle(t, w)
	balanced := w.now - joined
	w.run(time.Minute)
	joinMoves, when := len(w.moves)-startMoves, "at once"
	if joinMoves > 0 {
		when = short(balanced)
	}

	// gapOf returns for how long nobody ran a shard, at most, after something has happened
	// to a member that has shards.
	gapOf := func(what func(p *proc)) string {
		w.run(2 * simTTL)
		settle(t, w)
		w.run(time.Minute)
		w.gap = 0
		what(w.all[slices.IndexFunc(w.all, func(p *proc) bool { return p.up && len(p.runs) > 0 })])
		w.run(2 * simTTL)
		require.True(t, w.until(w.now+time.Minute, func() bool { return w.idle == 0 }))
		return short(w.gap)
	}
	leaves := gapOf(func(p *proc) { p.endAll(true) })
	w.start("again")
	crashes := gapOf(func(p *proc) { p.crash() })
	w.start("third")
	var cut *proc
	cutOff := gapOf(func(p *proc) { cut = p; p.cut = true })
	cut.cut = false
	w.run(3 * simTTL)
	settle(t, w)

	most, bound := 0, simTerms(shards).Moves+members+1
	for i, at := range w.moves {
		in, _ := slices.BinarySearch(w.moves, at+time.Minute)
		most = max(most, in-i)
	}
	require.LessOrEqual(t, most, bound)
	return fmt.Sprintf("%s%s | %d, %s | %s | %s | %s | %d of %d | %.1f |",
		rowOf(members, shards), short(cold), joinMoves, when, leaves, crashes, cutOff, most, bound, perSecond)
}

// rowOf returns how a row of the table begins.
func rowOf(members, shards int) string {
	plural := "s"
	if members == 1 {
		plural = ""
	}
	return fmt.Sprintf("| %d member%s | %d | ", members, plural, shards)
}

func short(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// The table in docs/machines.md has what the simulation says. To make it again:
//
//	go test ./child/gate/internal/share -run Table -table
func TestTheTableOfShardsIsRight(t *testing.T) {
	text, err := os.ReadFile(guide)
	if os.IsNotExist(err) {
		t.Skip("the module was downloaded without the repository")
	}
	require.NoError(t, err)
	begin, end := "<!-- shards -->\n", "<!-- /shards -->"
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	rows, after, found := strings.Cut(rest, end)
	require.True(t, found)
	if *table {
		head := regexp.MustCompile(`(?m)\A(\|.*\n\|[-|]*\n)`).FindString(rows)
		made := head
		for _, s := range sizes {
			began := time.Now()
			made += row(t, s[0], s[1]) + "\n"
			t.Log(s, time.Since(began))
		}
		require.NoError(t, os.WriteFile(guide, []byte(before+begin+made+end+after), 0o644))
		return
	}
	for _, s := range sizes {
		if s[0] <= small && s[1] <= 64 {
			require.Contains(t, rows, row(t, s[0], s[1])+"\n")
		} else {
			require.Contains(t, rows, "\n"+rowOf(s[0], s[1]))
		}
	}
}

// Members crash, are cut off, leave and join at random, replies are lost, and requests are
// carried out late. No shard ever has two, and in the end all are balanced.
func TestNoShardHasTwoWhateverHappens(t *testing.T) {
	for seed := range uint64(*seeds) {
		storm(t, seed, 1+int(seed*seed%23), 1+int(seed*7%100), 150)
	}
}

// The same with the largest groups of the table, which takes some minutes.
func TestNoShardOfALargeGroupHasTwo(t *testing.T) {
	if !*table {
		t.Skip("it needs -table")
	}
	for seed, size := range [][2]int{{200, 4096}, {200, 64}, {50, 1024}, {5, 4096}} {
		began := time.Now()
		storm(t, uint64(seed), size[0], size[1], 20)
		t.Log(size, time.Since(began))
	}
}

// storm lets things happen to the members of a group, and then settle.
func storm(t *testing.T, seed uint64, members, shards, events int) {
	t.Helper()
	w := newWorld(seed, shards)
	w.lossy, w.stops = true, simStop
	for i := range members {
		w.start(fmt.Sprint("m", i))
	}
	for range events {
		w.run(time.Duration(w.random.Int64N(int64(simTTL))))
		require.Empty(t, w.fault, "seed %d", seed)
		for range 1 + members/20 {
			chaos(w)
		}
	}
	w.lossy = false
	for _, p := range w.all {
		p.cut = false
	}
	if !slices.ContainsFunc(w.all, func(p *proc) bool { return p.up && !p.stop }) {
		w.start("last")
	}
	w.run(3 * simTTL)
	settle(t, w)
	w.run(2 * time.Minute)
	settle(t, w)
	moves := len(w.moves)
	w.run(5 * time.Minute)
	require.Len(t, w.moves, moves, "seed %d: it moves although nothing has changed", seed)
}

// chaos does something to one process.
func chaos(w *world) {
	p := w.all[w.random.IntN(len(w.all))]
	switch w.random.IntN(8) {
	case 0:
		if p.up {
			p.crash()
		}
	case 1, 2:
		p.cut = true
	case 3, 4:
		p.cut = false
	case 5:
		if p.up && !p.stopping && p.m != nil {
			p.stop = true
			p.endAll(true)
		}
	case 6:
		if p.up && p.m != nil && !p.stop {
			if held := p.m.Held(); len(held) > 0 {
				for range failsToMove {
					p.do(p.m.Failed(held[w.random.IntN(len(held))], false, w.now-p.base))
				}
			}
		}
	case 7:
		if len(w.all) < 300 {
			w.start(fmt.Sprint("late", len(w.all)))
		}
	}
}
