package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/supervisor"
)

func TestEventPrintsAsOneLine(t *testing.T) {
	for want, e := range map[string]supervisor.Event{
		"ready /shop/db":                    {Kind: supervisor.EventReady, Path: "/shop/db", Seq: 7, Time: time.Now(), Restarts: 3},
		"failed /shop/db: boom":             {Kind: supervisor.EventFailed, Path: "/shop/db", Err: errBoom, Stack: []byte("goroutine 1\n")},
		"restarting /shop/db in 293ms":      {Kind: supervisor.EventRestarting, Path: "/shop/db", Delay: 293052475 * time.Nanosecond},
		"restarting /shop/db in 1.5s: boom": {Kind: supervisor.EventRestarting, Path: "/shop/db", Err: errBoom, Delay: 1500 * time.Millisecond},
		"(2 events lost) removed /shop/db":  {Kind: supervisor.EventRemoved, Path: "/shop/db", Lost: 2},
		`failed /a\x1b: x; y\u202e`:         {Kind: supervisor.EventFailed, Path: "/a\x1b", Err: errors.New("x\ny\u202e")},
		"error /a: <nil>":                   {Kind: supervisor.EventError, Path: "/a", Err: (*slip)(nil)},
		"gave-up /shop: gave up: more than 0 restarts: /shop/db: boom": {Kind: supervisor.EventGaveUp, Path: "/shop",
			Err: &supervisor.GaveUpError{Path: "/shop", Reason: "more than 0 restarts", Child: "/shop/db", Err: errBoom}},
		"event(0)":                           {},
		"late-exit /shop/jobs/mail: a; b; c": {Kind: supervisor.EventLateExit, Path: "/shop/jobs/mail", Err: errors.Join(errors.New("a"), errors.New("b\r\nc"))},
	} {
		require.Equal(t, want, e.String())
		require.Equal(t, want, fmt.Sprint(e))
	}
}
