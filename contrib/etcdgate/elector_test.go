package etcdgate

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate"
)

func TestProblemsOfTheSpecAreReturnedByEachCall(t *testing.T) {
	e := New(nil, Spec{TTL: -1})
	_, err := e.Acquire(t.Context(), "x")
	require.EqualError(t, err, "etcdgate: the client is nil\netcdgate: Spec.TTL: negative: -1ns")
	_, holderErr := e.Holder(t.Context(), "x")
	require.Equal(t, err, holderErr)
	e = New(startCluster(t, 1).client(t), Spec{TTL: mostTTL + 1})
	_, err = e.Acquire(t.Context(), "x")
	require.ErrorContains(t, err, "Spec.TTL: longer than 2500000h0m0s")
}

func TestDefaults(t *testing.T) {
	c := startCluster(t, 1).client(t)
	e := New(c, Spec{})
	require.Equal(t, 15*time.Second, e.TTL())
	l := acquire(t, e, "/shop/billing")
	require.Equal(t, "coppice/leases:/shop/billing", l.key)
	host, err := os.Hostname()
	require.NoError(t, err)
	h, err := e.Holder(brief(t), "/shop/billing")
	require.NoError(t, err)
	require.Equal(t, gate.Holder{ID: fmt.Sprintf("%s/%d", host, os.Getpid()), Token: l.Token()}, h)
}

func TestTermsAreWholeSecondsAndNamesOfMembersAreShort(t *testing.T) {
	c := startCluster(t, 1).client(t)
	for asked, want := range map[time.Duration]time.Duration{
		1: time.Second, time.Second: time.Second, time.Second + 1: 2 * time.Second, mostTTL: mostTTL,
	} {
		require.Equal(t, want, New(c, Spec{TTL: asked}).TTL())
	}
	require.Equal(t, strings.Repeat("m", 199), New(c, Spec{Member: strings.Repeat("m", 199) + "é"}).spec.Member)
	require.Equal(t, "ab", New(c, Spec{Member: "a\xffb"}).spec.Member)
}

func TestNamesAreEqualOnlyIfTheirBytesAre(t *testing.T) {
	c := startCluster(t, 1).client(t)
	e := New(c, Spec{})
	for _, name := range []string{"x", "X", "x/", "/x", "", "ä", "a", "\x00", strings.Repeat("n", 255)} {
		acquire(t, e, name)
	}
}

// A gate whose terms fit the TTL that was asked for, but not the one that etcd grants, goes
// by what it has.
func TestAGateGoesByTheTermThatWasGranted(t *testing.T) {
	c := startCluster(t, 1, slowly)
	p := startProcess(t, New(c.client(t), Spec{TTL: time.Second}), "x")
	await(t, p.leads)
	s := p.gate.State()
	require.Greater(t, s.Until.Sub(s.Since), 1200*time.Millisecond, "2 s are granted")
}
