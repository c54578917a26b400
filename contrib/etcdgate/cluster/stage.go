//go:build unix

package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// A stage has three processes, and does things to them.
type stage struct {
	dir     string
	ttl     time.Duration
	book    *ledger
	members []*process
}

// raise starts all processes, and waits until one leads and the others stand by.
func (s *stage) raise(ctx context.Context, etcd []string) error {
	for _, name := range []string{"a", "b", "c"} {
		p, err := newProcess(s.dir, name, s.ttl, etcd, s.book.url)
		if err != nil {
			return err
		}
		s.members = append(s.members, p)
		if err := p.start(); err != nil {
			return err
		}
	}
	_, err := s.settled(ctx)
	return err
}

func (s *stage) close() {
	for _, p := range s.members {
		p.kill()
	}
	s.members = nil
}

// settled waits until one process leads and writes, and the others stand by, and returns the
// leader.
func (s *stage) settled(ctx context.Context) (*process, error) {
	for {
		var leader *process
		leads, standBy := 0, 0
		for _, p := range s.members {
			switch at, err := p.standing(ctx); {
			case err != nil:
			case at.Open:
				leader = p
				leads++
			case at.Bids && at.Seen != "":
				standBy++
			}
		}
		if leads == 1 && standBy == len(s.members)-1 {
			if last, _ := s.book.lead(); last.Member == leader.name && time.Since(last.at) < time.Second {
				return leader, nil
			}
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, fmt.Errorf("%d processes lead and %d stand by: %w", leads, standBy, err)
		}
	}
}

// A scene is something that happens to the leader.
type scene struct {
	name   string
	happen func(p *process) error
	after  func(p *process, ctx context.Context) error // when another leads
}

var scenes = []scene{
	{"killed (SIGKILL)", (*process).killed, (*process).restarted},
	{"frozen (SIGSTOP)", (*process).frozen, (*process).thawed},
	{"cut off from etcd", (*process).cutOff, (*process).connected},
	{"stopped (SIGTERM)", (*process).stopped, (*process).restartedCleanly},
}

func (p *process) killed() error { return p.signal(syscall.SIGKILL) }

func (p *process) restarted(ctx context.Context) error {
	if err := p.exit(ctx); err == nil {
		return fmt.Errorf("process %s exited before it was killed", p.name)
	}
	return p.start()
}

func (p *process) frozen() error { return p.signal(syscall.SIGSTOP) }

func (p *process) thawed(ctx context.Context) error {
	if err := sleep(ctx, time.Second); err != nil { // the next one writes for a while
		return err
	}
	return p.signal(syscall.SIGCONT)
}

func (p *process) cutOff() error {
	p.line.Cut(true)
	return nil
}

func (p *process) connected(context.Context) error {
	p.line.Cut(false)
	return nil
}

func (p *process) stopped() error { return p.signal(syscall.SIGTERM) }

func (p *process) restartedCleanly(ctx context.Context) error {
	if err := p.exit(ctx); err != nil {
		return fmt.Errorf("process %s was stopped: %w", p.name, err)
	}
	return p.start()
}

// play plays all scenes in each round, and then a rolling restart.
func (s *stage) play(ctx context.Context, rounds int) error {
	fmt.Printf("%-20s %-10s %20s %20s %22s\n", "the leader was", "lead", "next entry after", "old one wrote for", "no entries for")
	for range rounds {
		for _, c := range scenes {
			if err := s.playScene(ctx, c); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return s.roll(ctx)
}

// roll restarts all processes, one after the other. The lead moves at most once for each.
func (s *stage) roll(ctx context.Context) error {
	if _, err := s.settled(ctx); err != nil {
		return err
	}
	turns, began := s.book.turns(), time.Now()
	for _, p := range s.members {
		if err := p.stopped(); err != nil {
			return err
		}
		if err := p.restartedCleanly(ctx); err != nil {
			return err
		}
		if _, err := s.settled(ctx); err != nil {
			return fmt.Errorf("rolling restart: %w", err)
		}
	}
	moves := s.book.turns() - turns
	fmt.Printf("\nrolling restart of %d processes in %v: the lead has moved %d times\n", len(s.members), time.Since(began).Round(100*time.Millisecond), moves)
	if moves > len(s.members) {
		return fmt.Errorf("rolling restart: the lead has moved %d times, which is more than once for each process", moves)
	}
	return nil
}

func (s *stage) playScene(ctx context.Context, c scene) error {
	leader, err := s.settled(ctx)
	if err != nil {
		return err
	}
	before, moved := s.book.lead()
	began := time.Now()
	if err := c.happen(leader); err != nil {
		return err
	}
	select {
	case <-moved:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	after, _ := s.book.lead()
	first, _ := s.book.turn(after.Token)
	_, last := s.book.turn(before.Token)
	fmt.Printf("%-20s %-10s %20v %20v %22v\n", c.name, before.Member+" -> "+after.Member,
		first.at.Sub(began).Round(time.Millisecond), max(0, last.at.Sub(began)).Round(time.Millisecond), first.at.Sub(last.at).Round(100*time.Microsecond))
	return c.after(leader, ctx)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
