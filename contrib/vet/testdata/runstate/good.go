package runstate

import (
	"io"
	"net"
	"time"

	"github.com/coppice-go/coppice/child"
)

type good struct {
	ln      net.Listener
	tick    *time.Ticker
	done    chan struct{}
	ready   chan struct{}
	session io.Closer
}

// What is closed has been made in the same run.
func (g *good) Run(ctx child.Context) (err error) {
	g.ln, err = net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	defer g.ln.Close()
	g.prepare()
	defer g.tick.Stop()
	defer close(g.done)
	renew(&g.ready)
	close(g.ready)
	defer g.session.Close() // which may be able to open again
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (g *good) prepare() {
	g.tick = time.NewTicker(time.Second)
	g.remake()
}

func (g *good) remake() { g.done = make(chan struct{}) }

func renew(ch *chan struct{}) { *ch = make(chan struct{}) }

// A connection of its own, for a child that is never restarted, or is started elsewhere.
type session struct {
	conn net.Conn
	over chan struct{}
}

func (s *session) Run(ctx child.Context) error {
	defer close(s.over)
	defer s.conn.Close()
	return ctx.Ready()
}

type job struct {
	ln   net.Listener
	over chan struct{}
}

func (j *job) Run(ctx child.Context) error {
	defer close(j.over)
	defer j.ln.Close()
	return ctx.Ready()
}

var jobs = []child.Spec{{Name: "job", Run: new(job).Run, Restart: child.Temporary}}

// This is no Run.
func (g *good) Close() error {
	close(g.done)
	return g.ln.Close()
}
