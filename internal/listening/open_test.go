package listening

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

func TestOpenListensOnTCPByDefault(t *testing.T) {
	ln, err := Open(t.Context(), nil, "", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	require.Equal(t, "tcp", ln.Addr().Network())
}

func TestErrorOfACustomListenIsReturned(t *testing.T) {
	var asked []string
	ln, err := Open(t.Context(), func(_ context.Context, network, address string) (net.Listener, error) {
		asked = append(asked, network+" "+address)
		return nil, errBoom
	}, "tcp6", ":http")
	require.Nil(t, ln)
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, []string{"tcp6 :http"}, asked, "once")
}

func TestCustomListenThatReturnsNothingIsAnError(t *testing.T) {
	_, err := Open(t.Context(), func(context.Context, string, string) (net.Listener, error) { return nil, nil }, "", "any")
	require.ErrorContains(t, err, "Spec.Listen returned nil")
}
