package grpcserver_test

import (
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/grpcserver"
	"github.com/coppice-go/coppice/supervisortest"
)

// supervisortest.Check tests what every child must do.
func TestServerKeepsTheContractOfAChild(t *testing.T) {
	supervisortest.Check(t, func() child.Runnable {
		return grpcserver.New(grpcserver.Spec{Addr: loopback, Register: says("hi")})
	})
}
