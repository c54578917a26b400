package child_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestStatusJSON(t *testing.T) {
	since := time.Date(2026, time.March, 4, 5, 6, 7, 890, time.UTC)
	for _, c := range []struct {
		name   string
		status child.Status
		want   string
	}{
		{
			"zero", child.Status{},
			`{"name":"","path":"","state":"stopped","since":"0001-01-01T00:00:00Z","restarts":0,"restart":"permanent"}`,
		},
		{
			"of a child that runs well",
			child.Status{Name: "api", Path: "/shop/api", State: child.Running, Since: since},
			`{"name":"api","path":"/shop/api","state":"running","since":"2026-03-04T05:06:07.00000089Z",` +
				`"restarts":0,"restart":"permanent"}`,
		},
		{
			"with everything",
			child.Status{
				Name: "jobs", Path: "/shop/jobs", State: child.Waiting, Since: since, Restarts: 4,
				LastError: errors.New(`bad "line"`), Unready: errors.New("database away"),
				LastErrorAt: since.Add(-time.Second), NextStart: since.Add(time.Second), Abandoned: 2, Restart: child.Transient, Supervisor: true,
			},
			`{"name":"jobs","path":"/shop/jobs","state":"waiting","since":"2026-03-04T05:06:07.00000089Z",` +
				`"restarts":4,"last_error":"bad \"line\"","last_error_at":"2026-03-04T05:06:06.00000089Z","unready":"database away",` +
				`"next_start":"2026-03-04T05:06:08.00000089Z","abandoned":2,"restart":"transient","supervisor":true}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := json.Marshal(c.status)
			require.NoError(t, err)
			require.Equal(t, c.want, string(text))
		})
	}
}

func TestStatusAsJSONIsSafeToShow(t *testing.T) {
	text, err := json.Marshal(child.Status{LastError: errors.New("a\nb\x1b[2J\u009b\u202e\x7f")})
	require.NoError(t, err)
	require.Contains(t, string(text), `"last_error":"a\nb\u001b[2J\u009b\u202e\u007f"`)
}

func TestStatusWithAnUnknownStateHasNoJSON(t *testing.T) {
	_, err := json.Marshal(child.Status{State: child.Done + 1})
	require.ErrorContains(t, err, "no such state: 6")
}
