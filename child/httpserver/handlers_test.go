package httpserver

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// The server may have read a request just before the connections are closed.
func TestNoHandlerStartsAfterWait(t *testing.T) {
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the handler was called") })}
	watch(srv, nil).wait()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		srv.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	})
}

func TestNilHandlerIsTheDefaultServeMux(t *testing.T) {
	srv := new(http.Server)
	watch(srv, nil)
	w := httptest.NewRecorder()
	srv.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/nothing-is-registered-here", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}
