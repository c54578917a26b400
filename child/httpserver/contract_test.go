package httpserver_test

import (
	"net/http"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisortest"
)

// supervisortest.Check tests what every child must do.
func TestServerKeepsTheContractOfAChild(t *testing.T) {
	supervisortest.Check(t, func() child.Runnable {
		return httpserver.New(httpserver.Spec{
			Server: func(child.Context) (*http.Server, error) { return &http.Server{Addr: "127.0.0.1:0"}, nil },
		})
	})
}
