package supervisor_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/supervisor"
)

func TestEventAsJSON(t *testing.T) {
	for want, e := range map[string]supervisor.Event{
		`{"seq":1,"time":"2000-01-01T00:00:00Z","event":"ready","path":"/shop/db"}`: {
			Seq: 1, Kind: supervisor.EventReady, Path: "/shop/db",
		},
		`{"seq":7,"time":"2000-01-01T00:00:00Z","event":"restarting","path":"/shop/db","restarts":2,"err":"boom","delay":"1.5s","lost":3}`: {
			Seq: 7, Kind: supervisor.EventRestarting, Path: "/shop/db", Restarts: 2, Err: errors.New("boom"),
			Delay: 1500 * time.Millisecond, Lost: 3,
		},
		`{"seq":8,"time":"2000-01-01T00:00:00Z","event":"abandoned","path":"/shop/db","stack":"goroutine 7"}`: {
			Seq: 8, Kind: supervisor.EventAbandoned, Path: "/shop/db", Stack: []byte("goroutine 7"),
		},
	} {
		e.Time = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		got, err := json.Marshal(e)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestEventAsJSONIsHarmlessToShow(t *testing.T) {
	text, err := json.Marshal(supervisor.Event{Kind: supervisor.EventFailed, Err: errors.New("a\nb\x1b[2J\u009b\u202e\x7f")})
	require.NoError(t, err)
	require.Contains(t, string(text), `"err":"a\nb\u001b[2J\u009b\u202e\u007f"`)
}

func TestEventOfNoKindIsNotJSON(t *testing.T) {
	_, err := json.Marshal(supervisor.Event{})
	require.ErrorContains(t, err, "no such event kind: 0")
}
