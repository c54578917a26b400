package runstate

import (
	"database/sql"
	"net"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
)

type server struct {
	http http.Server
	ln   net.Listener
	db   *sql.DB
	tick *time.Ticker
	done chan struct{}
}

func newServer(ln net.Listener, db *sql.DB) *server {
	return &server{ln: ln, db: db, tick: time.NewTicker(time.Second), done: make(chan struct{})}
}

func (s *server) Run(ctx child.Context) error {
	defer close(s.done) // want "closes s.done and does not make it again"
	defer s.tick.Stop() // want "closes s.tick"
	defer s.db.Close()  // want "closes s.db"
	defer func() {
		_ = s.ln.Close() // want "closes s.ln"
	}()
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return s.http.Shutdown(ctx.Grace()) // want "closes s.http"
}

var spec = child.Spec{Name: "server", Run: newServer(nil, nil).Run}
