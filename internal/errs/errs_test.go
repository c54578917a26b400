package errs_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/errs"
)

type typedNil struct{ text string }

func (n *typedNil) Error() string { return n.text }

func TestTextIsOneLineForAnyCause(t *testing.T) {
	for _, c := range []struct {
		reason error
		want   string
	}{
		{errors.New("boom"), "boom"},
		{errors.Join(errors.New("disk"), errors.New("full")), "disk; full"},
		{errors.New("\x1b[2J\r\u2028\u202e\xff"), `\x1b[2J\r\u2028\u202e\xff`},
		{(*typedNil)(nil), "<nil>"},
	} {
		require.EqualError(t, &errs.Wrap{Sentinel: errors.New("not ready"), Cause: c.reason}, "not ready: "+c.want)
		require.EqualError(t, &errs.Escalation{Err: c.reason}, "escalated: "+c.want)
	}
	require.EqualError(t, &errs.Escalation{}, "escalated")
}
