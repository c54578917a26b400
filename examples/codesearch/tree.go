package main

import (
	"log/slog"
	"net"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

type config struct {
	root      string // of the source tree
	journal   string
	addr      string
	debugAddr string       // of the page and the probes
	debug     net.Listener // at debugAddr
	workers   int          // maximum number of jobs at a time
	batch     int          // number of files in a job
	chaos     *chaos
	log       *slog.Logger
}

// service is the supervision tree and the parts of it that its callers use.
type service struct {
	root, jobs *supervisor.Supervisor
	keeper     *keeper
	server     *server
	debug      net.Listener
}

// newService builds the tree. The page and the probes come first, so that they answer while the other children start, and
// go on when those restart. All others need the journal, so it is next: if its keeper crashes, RestForOne stops the children
// after it and starts them again. The jobs that ran at that time are removed. The crawler runs again, even if it had already
// completed, and starts jobs for the files that the journal does not have.
//
// If debug failed, everything would restart, but it fails only if its listener does. If jobs crashes, the crawler and the
// HTTP server restart with it. If the crawler crashes, only the HTTP server restarts with it. If the HTTP server crashes, no
// other child restarts.
func newService(cfg config) *service {
	k := &keeper{path: cfg.journal, root: cfg.root, log: cfg.log, chaos: cfg.chaos}

	// Restarts of a child with a backoff do not count towards the intensity, so a supervisor whose backoff never
	// gives up does not give up either. It slows down. Neither a job that crashes again and again nor dozens of
	// ordered crashes must end the service.
	slowDown := child.Exponential(10*time.Millisecond, time.Second)
	jobs := supervisor.New(supervisor.Spec{
		Strategy:    strategy.Independent,
		MaxChildren: cfg.workers,
		Backoff:     slowDown,
	})
	c := &crawler{root: cfg.root, size: cfg.batch, keeper: k, jobs: jobs, chaos: cfg.chaos}
	s := &server{addr: cfg.addr, keeper: k, chaos: cfg.chaos, log: cfg.log}
	root := supervisor.New(supervisor.Spec{
		Name:     "codesearch",
		Strategy: strategy.RestForOne,
		Backoff:  slowDown,
		Logger:   cfg.log,
		Around:   observer.Label, // the page shows the stacks of each child
		Children: []child.Spec{
			{Name: "debug", Run: newDebug(cfg.debug).Run},
			{Name: "journal", Run: k.Run},
			{Name: "jobs", Run: cfg.chaos.branch(jobs.Run)},
			{Name: "crawler", Run: c.Run, Restart: child.Transient},
			{Name: "http", Run: s.Run},
		},
	})
	return &service{root: root, jobs: jobs, keeper: k, server: s, debug: cfg.debug}
}

// indexed returns the number of files in the journal, and zero while its keeper is down.
func (s *service) indexed() int {
	if journal, ok := s.keeper.current.Load(); ok {
		return journal.stats().Files
	}
	return 0
}
