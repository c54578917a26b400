package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
)

type emptyJoin struct{}

func (emptyJoin) Error() string   { return "joins nothing" }
func (emptyJoin) Unwrap() []error { return nil }

type wrapsNothing struct{}

func (wrapsNothing) Error() string { return "wraps nothing" }
func (wrapsNothing) Unwrap() error { return nil }

type endless struct{}

func (endless) Error() string   { return "endless" }
func (e endless) Unwrap() error { return e }

type slices1 []string

func (slices1) Error() string { return "cannot be compared" }

func TestHarmlessErrorsOnlySayThatTheRunWasStopped(t *testing.T) {
	nobody := func(*StopError) bool { return false }
	flush := errors.New("flush: 1,708 rows not written")
	cause := &errs.Wrap{Sentinel: child.ErrStopped, Cause: errors.New("signal")}
	for _, known := range []error{
		context.Canceled, cause, child.ErrDone, child.ErrShutdown, child.ErrIgnore,
		net.ErrClosed, os.ErrClosed, http.ErrServerClosed,
	} {
		require.True(t, harmless(known, cause, nobody), "%v", known)
		require.True(t, harmless(fmt.Errorf("serve: %w", known), cause, nobody), "wrapped: %v", known)
		require.True(t, harmless(&net.OpError{Op: "accept", Err: known}, cause, nobody), "in an OpError: %v", known)
		require.True(t, harmless(errors.Join(known, nil, child.ErrDone), cause, nobody), "joined: %v", known)
		require.True(t, harmless(fmt.Errorf("%w: %w", known, context.Canceled), cause, nobody), "two: %v", known)
		require.False(t, harmless(errors.Join(known, flush), cause, nobody), "beside another: %v", known)
		require.False(t, harmless(errors.Join(flush, known), cause, nobody), "behind another: %v", known)
		require.False(t, harmless(&child.PanicError{Value: known}, cause, nobody), "panic with: %v", known)
		require.False(t, harmless(fmt.Errorf("x: %w", child.Recovered(known)), cause, nobody), "wrapped panic with: %v", known)
	}
	for _, bad := range []error{
		flush, io.EOF, context.DeadlineExceeded, child.ErrGoexit, child.ErrStopped, child.ErrSibling,
		emptyJoin{}, wrapsNothing{}, endless{}, slices1{}, child.Escalate(flush),
		(*StopError)(nil), (*child.PanicError)(nil), errors.New("context canceled"),
		&StopError{Unclean: []*ChildError{{Err: context.Canceled}}},
	} {
		require.False(t, harmless(bad, cause, nobody), "%v", bad)
		require.False(t, harmless(bad, nil, nobody), "%v", bad)
	}
	require.False(t, harmless(cause, nil, nobody), "no stop has this cause")
}
