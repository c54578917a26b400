//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/contrib/etcdgate"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// A memberConfig is what a member needs to know.
type memberConfig struct {
	name, etcd, ledger, page, acked string
	ttl                             time.Duration
}

// runMember is the program that three processes run: a page, and a child that writes the
// ledger in one of them at a time.
func runMember(ctx context.Context, c memberConfig) error {
	go func() { // the end of the program that has started this one
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	client, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(c.etcd, ","), Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer client.Close()
	acked, err := os.OpenFile(c.acked, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer acked.Close()
	w := &writer{config: c, acked: acked}
	g := gate.New(gate.Spec{
		Name:    "/shop/ledger",
		Elector: etcdgate.New(client, etcdgate.Spec{TTL: c.ttl, Member: c.name}),
		Run:     w.run,
		Late:    gate.Fence, // the ledger refuses stale tokens
	})
	page := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		mux := http.NewServeMux()
		mux.Handle("/", observer.New(ctx, observer.Spec{}))
		mux.HandleFunc("GET /gate", func(w http.ResponseWriter, _ *http.Request) {
			s := g.State()
			_ = json.NewEncoder(w).Encode(standing{Open: s.Open, Bids: s.Running && s.NoBid.IsZero(), Seen: s.Seen.ID})
		})
		return &http.Server{Addr: c.page, Handler: mux}, nil
	}})
	root := supervisor.New(supervisor.Spec{
		Name:   "process-" + c.name,
		Around: observer.Label,
		Children: []child.Spec{
			{Name: "page", Run: page.Run},
			{Name: "ledger", Run: g.Run, Backoff: child.Constant(100 * time.Millisecond)},
		},
	})
	return root.Serve(ctx)
}

// A standing is what a member says of its gate.
type standing struct {
	Open bool   // it leads
	Bids bool   // it would lead if the lease was free
	Seen string // the leader, if it does not lead
}

// A writer writes one entry after the other while its process leads.
type writer struct {
	config memberConfig
	acked  *os.File
}

func (w *writer) run(ctx child.Context) error {
	token, ok := gate.Token(ctx)
	if !ok {
		return gate.ErrNoLease
	}
	last, err := w.post(ctx, entry{Token: token}) // raises the token before it reads what to go on from
	if err != nil {
		return err
	}
	if err := ctx.Ready(); err != nil {
		return err
	}
	for !child.Sleep(ctx, 5*time.Millisecond) {
		last, err = w.post(ctx, entry{Number: last + 1, Token: token, Member: w.config.name})
		switch {
		case err == nil:
			if _, err := fmt.Fprintln(w.acked, last); err != nil {
				return err
			}
		case errors.Is(err, gate.ErrStale):
			return err
		case ctx.Err() != nil: // the next leader will see whether it was written
			return nil
		default:
			return err
		}
	}
	return nil
}

// post sends an entry to the ledger, and returns the number of its last entry.
func (w *writer) post(ctx context.Context, e entry) (last int, err error) {
	body, err := json.Marshal(e)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.config.ledger, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		_, err = fmt.Sscan(string(answer), &last)
		return last, err
	case http.StatusConflict:
		return 0, gate.ErrStale
	}
	return 0, fmt.Errorf("ledger: %s: %s", resp.Status, bytes.TrimSpace(answer))
}
