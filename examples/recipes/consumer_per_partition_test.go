package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A partition is a log, with the number of messages consumed.
type partition struct {
	messages  []string
	committed int
}

// consume continues where the last run stopped. A program that reads from a broker would
// wait for the next message instead of returning at the end.
func (p *partition) consume(ctx context.Context) error {
	for _, message := range p.messages[p.committed:] {
		if ctx.Err() != nil {
			return nil
		}
		if message == "poison" && child.FromContext(ctx).Restarts() == 0 {
			return errors.New("cannot decode message")
		}
		p.committed++
	}
	return nil
}

// Each partition has a consumer with its own backoff, so a failure of one does not delay
// the others. Here the supervisor ends when the last consumer is done.
func Example_consumerPerPartition() {
	orders := []*partition{
		{messages: []string{"a", "b", "c"}},
		{messages: []string{"d", "poison", "e", "f"}},
	}
	spec := supervisor.Spec{
		Name:         "orders",
		Backoff:      child.Exponential(10*time.Millisecond, time.Minute),
		AutoShutdown: strategy.AllSignificant,
	}
	for i, p := range orders {
		spec.Children = append(spec.Children, child.Spec{
			Name:        fmt.Sprint("partition-", i),
			Run:         child.Plain(p.consume),
			Restart:     child.Transient,
			Significant: true,
		})
	}
	fmt.Println(supervisor.New(spec).Serve(context.Background()))
	for i, p := range orders {
		fmt.Println("partition", i, "committed", p.committed)
	}
	// Output:
	// <nil>
	// partition 0 committed 3
	// partition 1 committed 4
}
