package gate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

func elector(ttl time.Duration) gate.Elector { return gatetest.NewEngine().Member("a", ttl) }

func TestTheDefaultTermsFitTogetherWithAnyTTL(t *testing.T) {
	for _, ttl := range []time.Duration{0, 1000, time.Millisecond, time.Second, 15 * time.Second, time.Hour, math.MaxInt64} {
		spec := gate.Spec{Name: name, Elector: elector(ttl), Run: idle}
		require.NoError(t, spec.Validate(), ttl)
	}
	require.Equal(t, "TTL 15s x 0.99 = 14.85s; renewal 2.5s + request 2.5s + stop 5s + release 1.25s + slack 750ms = 12s",
		gate.Spec{Elector: elector(15 * time.Second)}.Terms().String())
}

func TestTermsThatDoNotFitAreAFaultOfTheSpecAndAllPrinted(t *testing.T) {
	spec := gate.Spec{Name: name, Elector: elector(15 * time.Second), Run: idle, StopWithin: 10 * time.Second}
	want := "/shop/billing: StopWithin: what is guarded might not stop before its lease ends; choose a longer TTL or shorter terms: " +
		"TTL 15s x 0.99 = 14.85s; renewal 2.5s + request 2.5s + stop 10s + release 1.25s + slack 750ms = 17s"
	require.EqualError(t, spec.Validate(), want)
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "billing", Run: gate.New(spec).Run}}})
	require.EqualError(t, root.Start(t.Context()), "/root/billing: "+want)

	spec.StopWithin = math.MaxInt64
	require.ErrorContains(t, spec.Validate(), "StopWithin")
}

func TestAllFaultsOfASpecAreReportedTogether(t *testing.T) {
	err := gate.Spec{StopWithin: -1, RenewEvery: -1, RequestTimeout: -1, ReleaseWithin: -1, YieldAfter: -1}.Validate()
	for _, field := range []string{"Name: empty", "Run: nil", "Elector: nil", "StopWithin: neg", "RenewEvery: neg", "RequestTimeout: neg", "ReleaseWithin: neg", "YieldAfter: neg"} {
		require.ErrorContains(t, err, field)
	}
	for _, bad := range []string{"a\nb", "a\xff", "\u202e", strings.Repeat("x", 256)} {
		require.Error(t, gate.Spec{Name: bad, Elector: gate.Alone(), Run: idle}.Validate(), "%q", bad)
	}
	require.ErrorContains(t, gate.Spec{Name: "x", Elector: elector(-1), Run: idle}.Validate(), "its TTL is negative")
	_, err = gate.New(gate.Spec{}).Holder(t.Context())
	require.ErrorContains(t, err, "Elector: nil")
}
