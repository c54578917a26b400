package wellness_test

import (
	"errors"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/wellness"
)

var (
	now     = time.Date(2026, 11, 27, 3, 3, 21, 0, time.UTC)
	past    = now.Add(-time.Hour)
	errBoom = errors.New("boom")
)

// rows are the rows of the table in the package comment, in its order.
var rows = []struct {
	s     child.Status
	look  wellness.Look
	level wellness.Level
}{
	{child.Status{State: child.Running, LastError: errBoom, LastErrorAt: past, Restarts: 7}, wellness.Running, 0},
	{child.Status{State: child.Running, Text: "standby; led by shop-7f9c"}, wellness.Standby, 0},
	{child.Status{State: child.Running, Suspended: true}, wellness.Suspended, 0},
	{child.Status{State: child.Running, Abandoned: 1}, wellness.Abandoned, 1},
	{child.Status{State: child.Running, Unready: errBoom, Abandoned: 1, Suspended: true, Text: "standby"}, wellness.Unready, 2},
	{}, // degraded: see TestMoreThanATenth
	{child.Status{State: child.Starting, Since: now.Add(-wellness.SlowStart)}, wellness.Starting, 0},
	{child.Status{State: child.Starting, Since: now.Add(-wellness.SlowStart - 1)}, wellness.Starting, 1},
	{child.Status{State: child.Starting, Since: now, Failing: true}, wellness.Starting, 2},
	{child.Status{State: child.Stopping, LastError: errBoom}, wellness.Stopping, 0},
	{child.Status{State: child.Stopping, Hung: true}, wellness.Hung, 3},
	{child.Status{State: child.Waiting, Hung: true, LastError: errBoom}, wellness.Hung, 3},
	{child.Status{State: child.Waiting}, wellness.Waiting, 1},
	{child.Status{State: child.Waiting, Failing: true}, wellness.Waiting, 2},
	{}, // pending: see TestAChildIsInLine
	{child.Status{State: child.Stopped, Since: now, LastError: errBoom, LastErrorAt: past}, wellness.Stopped, 0},
	{child.Status{State: child.Stopped, Since: past, LastError: errBoom, LastErrorAt: past}, wellness.Stopped, 1},
	{child.Status{State: child.Stopped, GaveUp: true}, wellness.GaveUp, 3},
	{child.Status{State: child.Done, LastError: errBoom, LastErrorAt: now, Since: now}, wellness.Done, 0},
	{child.Status{State: child.Done, GaveUp: true}, wellness.GaveUp, 3},
}

func TestEachRowOfTheTableIsTrue(t *testing.T) {
	source, err := os.ReadFile("wellness.go")
	require.NoError(t, err)
	table := regexp.MustCompile(`(?m)^//\t(\w+) .*?  (\w+) +(\d)(:|$)`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, table, len(rows), "rows in the comment")
	for i, row := range rows {
		if look := table[i][2]; look == string(wellness.Degrades) || look == string(wellness.Pending) {
			require.Zero(t, row, "row %d", i)
			continue
		}
		look, level := wellness.Of(&row.s, now)
		require.Equal(t, row.look, look, "row %d", i)
		require.Equal(t, row.level, level, "row %d", i)
		require.Equal(t, level >= wellness.Trouble, wellness.InTrouble(&row.s), "row %d", i)
		require.Equal(t, table[i][1], row.s.State.String(), "row %d in the comment", i)
		require.Equal(t, table[i][2], string(look), "row %d in the comment", i)
		require.Equal(t, table[i][3], strconv.Itoa(int(level)), "row %d in the comment", i)
	}
}

// An error of long ago, or of OnError, is not why it waits or starts.
func TestAChildIsNotBlamedForAnOldError(t *testing.T) {
	look, level := wellness.Of(&child.Status{State: child.Waiting, Since: now, LastError: errBoom, LastErrorAt: past}, now)
	require.Equal(t, wellness.Waiting, look)
	require.Equal(t, wellness.Notice, level)
	look, level = wellness.Of(&child.Status{State: child.Starting, Since: now, Restarts: 7, LastError: errBoom, LastErrorAt: past}, now)
	require.Equal(t, wellness.Starting, look)
	require.Equal(t, wellness.Well, level)
}

func TestAChildIsInLineUntilItsTurnToStart(t *testing.T) {
	waits, starts := child.Status{State: child.Stopped}, child.Status{State: child.Starting}
	require.True(t, wellness.InLine(&waits, &starts))
	for _, other := range [][2]child.Status{
		{{State: child.Starting, Run: 1}, starts},
		{{State: child.Stopped, Run: 1}, starts},
		{waits, {State: child.Running}},
		{waits, {State: child.Starting, Suspended: true}},
		{waits, {State: child.Stopping}},
	} {
		require.False(t, wellness.InLine(&other[0], &other[1]), "%+v", other)
	}
}

func TestMoreThanATenthOfTheDynamicChildrenInTroubleIsDegraded(t *testing.T) {
	for _, c := range []struct {
		dynamic, inTrouble int
		share              float64
		want               bool
	}{
		{0, 0, 0, false}, {1, 0, 0, false}, {1, 1, 0, true}, {10, 1, 0, false}, {10, 2, 0, true},
		{100_000, 10_000, 0, false}, {100_000, 10_001, 0, true}, {100, 50, 0.5, false}, {100, 51, 0.5, true}, {100, 100, 1, false},
	} {
		require.Equal(t, c.want, wellness.Degraded(c.dynamic, c.inTrouble, c.share), "%+v", c)
	}
}
