package child_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
)

func TestEscalateWrapsItsError(t *testing.T) {
	err := fmt.Errorf("run: %w", child.Escalate(fmt.Errorf("disk: %w", io.ErrShortWrite)))
	require.EqualError(t, err, "run: escalated: disk: short write")
	require.ErrorIs(t, err, io.ErrShortWrite)

	var escalation *errs.Escalation
	require.ErrorAs(t, err, &escalation)
	require.EqualError(t, escalation.Err, "disk: short write")
}

func TestEscalateOfNilIsAnError(t *testing.T) {
	err := child.Escalate(nil)
	require.EqualError(t, err, "escalated")
	require.NoError(t, errors.Unwrap(err))
	var escalation *errs.Escalation
	require.ErrorAs(t, err, &escalation)
}
