// Package listening gives the runs of a server their listeners: each run one of its own, or
// all of them the same one.
package listening

import (
	"context"
	"errors"
	"net"
)

// Open makes the listener of a run. It calls listen, or net.ListenConfig.Listen if that is
// nil; an empty network is "tcp". If a killed process has left a unix socket at the address,
// Open removes it and calls listen again.
func Open(
	ctx context.Context, listen func(ctx context.Context, network, address string) (net.Listener, error), network, address string,
) (net.Listener, error) {
	if listen == nil {
		listen = new(net.ListenConfig).Listen
	}
	if network == "" {
		network = "tcp"
	}
	ln, err := listen(ctx, network, address)
	if err != nil {
		if err = removeLeftover(ctx, network, address, err); err == nil {
			ln, err = listen(ctx, network, address)
		}
	}
	if err == nil && ln == nil {
		err = errors.New("Spec.Listen returned nil")
	}
	return ln, err
}
