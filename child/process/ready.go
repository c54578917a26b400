package process

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A readiness waits for one program to be ready.
type readiness struct {
	of   Ready
	done chan struct{} // closed when it is ready
	said chan string   // receives the latest text of STATUS=

	socket *socket // nil without Notify
	once   sync.Once
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// prepare does what must be done before the program is started.
func (of Ready) prepare(ctx child.Context) (*readiness, error) {
	r := &readiness{of: of, done: make(chan struct{}), said: make(chan string, 1), cancel: func() {}}
	switch {
	case of.Notify:
		socket, err := listen()
		if err != nil {
			return nil, err
		}
		r.socket = socket
	case of.Addr != "":
		if err := of.awaitVacant(ctx); err != nil {
			return nil, err
		}
	case of.Line == "":
		r.set()
	}
	return r, nil
}

func (r *readiness) set() { r.once.Do(func() { close(r.done) }) }

func (r *readiness) isSet() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// environment returns what the program needs to know.
func (r *readiness) environment(ctx child.Context) []string {
	if r.socket == nil {
		return nil
	}
	return r.socket.environment(ctx)
}

// allow lets the program of cmd write to the socket.
func (r *readiness) allow(cmd *exec.Cmd) error {
	if r.socket == nil {
		return nil
	}
	return r.socket.allow(cmd)
}

// line returns what looks at each line of the output; nil if the lines do not matter.
func (r *readiness) line() func([]byte) {
	if r.of.Line == "" {
		return nil
	}
	return func(text []byte) {
		if !r.isSet() && bytes.Contains(text, []byte(r.of.Line)) {
			r.set()
		}
	}
}

// begin begins to wait, once the program has started.
func (r *readiness) begin(ctx child.Context) {
	within, cancel := context.WithCancel(ctx)
	r.cancel = cancel
	switch {
	case r.socket != nil:
		r.work.Go(func() { r.socket.read(ctx, r) })
	case r.of.Addr != "":
		r.work.Go(func() {
			if r.of.awaitAccept(within) {
				r.set()
			}
		})
	}
}

// close ends the waiting. Nothing is called after that.
func (r *readiness) close() {
	r.cancel()
	if r.socket != nil {
		r.socket.close()
	}
	r.work.Wait()
}

// awaitAccept waits until the address accepts connections, or ctx ends.
func (of Ready) awaitAccept(ctx context.Context) bool {
	for pause := 5 * time.Millisecond; !of.accepts(ctx); pause = min(2*pause, 200*time.Millisecond) {
		if child.Sleep(ctx, pause) {
			return false
		}
	}
	return true
}

// vacancy is how long the previous user of the address may take to leave it. It may have
// been killed just now.
const vacancy = time.Second

// awaitVacant waits until nothing accepts connections at the address.
func (of Ready) awaitVacant(ctx context.Context) error {
	for began := time.Now(); of.accepts(ctx); {
		if time.Since(began) > vacancy {
			return fmt.Errorf("process: something else accepts connections at %s already: stop it, or choose another address", of.Addr)
		}
		child.Sleep(ctx, 20*time.Millisecond)
	}
	return nil
}

func (of Ready) accepts(ctx context.Context) bool {
	network := of.Network
	if network == "" {
		network = "tcp"
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, of.Addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
