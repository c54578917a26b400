package main

import (
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

type config struct {
	root    string // of the source tree
	journal string
	addr    string
	workers int // jobs at a time
	batch   int // files in a job
	chaos   *chaos
	log     *slog.Logger
}

// service is the tree with those parts that the outside talks to.
type service struct {
	root, jobs *supervisor.Supervisor
	keeper     *keeper
	server     *server
}

// newService draws the tree. Everybody leans on the journal, so it comes first: when its keeper crashes, RestForOne takes
// all others along, and brings them back when the journal is there again. The jobs of that moment are gone then, and the
// crawler, though it may have ended long ago, runs anew and hands out what the journal does not have.
//
// A crash of the crawler takes only the HTTP server along, and one of the server nobody.
func newService(cfg config) *service {
	k := &keeper{path: cfg.journal, root: cfg.root, log: cfg.log, chaos: cfg.chaos}

	// With a backoff that never gives up a supervisor does not either: it slows down. One job that crashes again
	// and again must not end the service, nor must dozens of ordered crashes.
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
		Children: []child.Spec{
			{Name: "journal", Run: k.Run},
			{Name: "jobs", Run: cfg.chaos.branch(jobs.Run)},
			{Name: "crawler", Run: c.Run, Restart: child.Transient},
			{Name: "http", Run: s.Run},
		},
	})
	return &service{root: root, jobs: jobs, keeper: k, server: s}
}

// indexed is the number of files in the journal; none while its keeper is down.
func (s *service) indexed() int {
	if journal, ok := s.keeper.current.Load(); ok {
		return journal.stats().Files
	}
	return 0
}
