package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// server is the child that answers queries.
type server struct {
	addr   string // requested address
	last   string // address of the previous run; only Run uses it
	keeper *keeper
	chaos  *chaos
	log    *slog.Logger
	bound  child.Ref[string] // current address
}

func (s *server) Run(ctx child.Context) error {
	sup, _ := supervisor.FromContext(ctx)
	ln, err := s.listen(ctx)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           s.routes(sup.Root()),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx.Grace() }, // lets active requests finish
	}
	ended := make(chan error, 1)
	go func() {
		ended <- srv.Serve(ln)
		close(ended)
	}()
	defer func() { // also after a panic, or the port would stay in use
		srv.Close()
		<-ended
	}()

	s.bound.Set(ctx, s.last)
	ctx.Status("http://" + s.last)
	if err := ctx.Ready(); err != nil {
		return err
	}
	s.log.Info("listening", "url", "http://"+s.last)
	select {
	case err := <-ended:
		return err
	case order := <-s.chaos.wire(ctx.Path()):
		panic(order)
	case <-ctx.Done():
		return srv.Shutdown(ctx.Grace())
	}
}

// listen reuses the address of the previous run, so that clients find the server again after a crash. If that fails or this
// is the first run, it uses the requested address.
func (s *server) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	if s.last != "" {
		if ln, err := lc.Listen(ctx, "tcp", s.last); err == nil {
			return ln, nil
		}
	}
	ln, err := lc.Listen(ctx, "tcp", s.addr)
	if err == nil {
		s.last = ln.Addr().String()
	}
	return ln, err
}

func (s *server) routes(root *supervisor.Supervisor) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /search", s.search)
	mux.HandleFunc("GET /stats", s.stats)
	if s.chaos != nil {
		mux.HandleFunc("POST /crash/{path...}", s.crash(root))
	}
	return http.NewCrossOriginProtection().Handler(mux) // pages of other sites must not crash anything
}

func (s *server) search(w http.ResponseWriter, r *http.Request) {
	q := r.FormValue("q")
	if q == "" {
		http.Error(w, "missing identifier; use /search?q=ReadAll", http.StatusBadRequest)
		return
	}
	journal, ok := s.keeper.current.Load()
	if !ok {
		http.Error(w, "the index is being restored", http.StatusServiceUnavailable)
		return
	}
	hits := journal.search(q)
	const most = 50
	answer(w, found{Query: q, Files: len(hits), Hits: hits[:min(len(hits), most)]})
}

// found is the answer to a query: the number of files, and the first of them.
type found struct {
	Query string `json:"query"`
	Files int    `json:"files"`
	Hits  []hit  `json:"hits"`
}

func (s *server) stats(w http.ResponseWriter, _ *http.Request) {
	journal, ok := s.keeper.current.Load()
	if !ok {
		http.Error(w, "the index is being restored", http.StatusServiceUnavailable)
		return
	}
	answer(w, journal.stats())
}

// crash makes one child panic. It sends the answer first, because the child may be this server.
func (s *server) crash(root *supervisor.Supervisor) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := "/" + r.PathValue("path")
		st, ok := root.Lookup(path)
		switch {
		case !ok || path == root.Path():
			http.Error(w, "no child at "+path, http.StatusNotFound)
			return
		case st.State != child.Running:
			http.Error(w, fmt.Sprintf("%s is not running: %v", path, st.State), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, "crashing", path)
		_ = http.NewResponseController(w).Flush()
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if !s.chaos.order(ctx, path, crash{kind: "by hand"}) && !errors.Is(ctx.Err(), context.Canceled) {
			fmt.Fprintln(w, "timed out: the child did not reach a point where it can crash")
		}
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
