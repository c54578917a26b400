package sqltest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate/sqlgate"
)

func TestAMissingTableIsAnErrorThatNamesIt(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		e := sqlgate.New(d.admin, sqlgate.Spec{Dialect: d.dialect, Leases: "nowhere"})
		_, err := e.Acquire(t.Context(), "x")
		require.ErrorContains(t, err, "nowhere")
		_, err = e.Holder(t.Context(), "x")
		require.ErrorContains(t, err, "nowhere")
	})
}

func TestTablesMayHaveOtherNames(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		e := sqlgate.New(d.admin, sqlgate.Spec{Dialect: d.dialect, Leases: "ops_leases", Fences: "ops_fences"})
		require.NoError(t, e.CreateTables(t.Context()))
		l, err := e.Acquire(t.Context(), "x")
		require.NoError(t, err)
		require.NoError(t, l.Release(t.Context()))
	})
}

func TestNamesAreEqualOnlyIfTheirBytesAre(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		e := sqlgate.New(d.admin, sqlgate.Spec{Dialect: d.dialect})
		for _, name := range []string{"x", "X", "ä", "a", "A", "x'; DROP TABLE coppice_leases; --", strings.Repeat("n", 255), "日本"} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := e.Acquire(ctx, name)
			require.NoError(t, err, name)
			cancel()
		}
	})
}

func TestHolderSaysWhoAndSinceWhen(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		e := sqlgate.New(d.admin, sqlgate.Spec{Dialect: d.dialect, Member: strings.Repeat("m", 199) + "é"})
		began := time.Now()
		l, err := e.Acquire(t.Context(), "x")
		require.NoError(t, err)
		h, err := e.Holder(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("m", 199), h.ID, "a rune that does not fit is cut off whole")
		require.Equal(t, l.Token(), h.Token)
		require.WithinDuration(t, began, h.Since, 10*time.Second)
	})
}

// A member that stands by asks by one query per period.
func TestAStandbyAsksOncePerPeriod(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		holder := d.member(t, "a", time.Minute)
		_, err := holder.Acquire(t.Context(), "x")
		require.NoError(t, err)
		l := &line{connector: d.connector}
		db := l.open()
		defer db.Close()
		e := sqlgate.New(db, sqlgate.Spec{Dialect: d.dialect, TTL: time.Minute, PollEvery: 200 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err = e.Acquire(ctx, "x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, l.queries.Load(), int64(13)) // ten periods, each up to a tenth shorter
		require.Positive(t, l.queries.Load())
	})
}
