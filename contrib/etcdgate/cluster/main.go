//go:build unix

// Cluster runs three processes of one program, of which one writes a ledger, over an etcd with
// three members. It kills the leader, freezes it, cuts it off from etcd, stops it cleanly and
// restarts all three, and prints how long each hand-over took. In the end it checks the
// ledger: each entry once, in the order of tokens. It exits with 1 if anything was lost or
// doubled.
//
//	go run . -rounds 2
//	go run . -hold       # then stays up, to look at the pages of the three processes
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var config memberConfig
	flag.StringVar(&config.name, "member", "", "run as the member with this name: the program starts its members itself")
	flag.StringVar(&config.etcd, "etcd", "", "of a member: addresses of etcd")
	flag.StringVar(&config.ledger, "ledger", "", "of a member: address of the ledger")
	flag.StringVar(&config.page, "page", "", "of a member: address of its page")
	flag.StringVar(&config.acked, "acked", "", "of a member: file for the entries that were confirmed")
	flag.DurationVar(&config.ttl, "ttl", 3*time.Second, "term of a lease")
	rounds := flag.Int("rounds", 2, "how often the leader is killed, frozen, cut off and stopped")
	hold := flag.Bool("hold", false, "stay up after the last round, until Ctrl-C")
	within := flag.Duration("within", 2*time.Minute, "the longest time that the rounds may take")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	var err error
	if config.name != "" {
		err = runMember(ctx, config)
	} else {
		err = runCluster(ctx, config.ttl, *rounds, *within, *hold)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runCluster plays all rounds and checks the ledger.
func runCluster(ctx context.Context, ttl time.Duration, rounds int, within time.Duration, hold bool) (err error) {
	dir, err := os.MkdirTemp("", "coppice-cluster-")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(dir)
		} else {
			err = fmt.Errorf("%w\nlogs and ledger are in %s", err, dir)
		}
	}()
	began := time.Now()
	engine, err := startEtcd(dir)
	if err != nil {
		return err
	}
	defer engine.stop()
	book, err := openLedger(dir)
	if err != nil {
		return err
	}
	defer book.close()
	limited, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("the rounds have taken longer than %v", within))
	defer cancel()
	s := &stage{dir: dir, ttl: ttl, book: book}
	defer s.close()
	if err := s.raise(limited, engine.addresses()); err != nil {
		return err
	}
	fmt.Printf("etcd and three processes are up after %v. The term is %v.\n", time.Since(began).Round(100*time.Millisecond), ttl)
	for _, m := range s.members {
		fmt.Printf("process %s: http://%s/\n", m.name, m.page)
	}
	fmt.Println()
	if err := s.play(limited, rounds); err != nil {
		return err
	}
	if hold {
		fmt.Println("\nCtrl-C ends it")
		<-ctx.Done()
	}
	s.close()
	verdict, err := check(dir)
	fmt.Printf("\n%s%d late writes were refused, because their token was stale\n%v in all\n",
		verdict, book.refusals(), time.Since(began).Round(100*time.Millisecond))
	return err
}
