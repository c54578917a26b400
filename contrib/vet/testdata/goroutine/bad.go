package goroutine

import (
	"fmt"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
)

type poller struct{ count int }

func (p *poller) Run(ctx child.Context) error {
	go func() { // want "nothing ends this goroutine"
		for {
			p.count++
			time.Sleep(time.Second)
		}
	}()
	go http.ListenAndServe("localhost:6060", nil) // want "nothing ends this goroutine"
	go poll()                                     // want "nothing ends this goroutine"
	if err := ctx.Ready(); err != nil {
		return err
	}
	func() {
		go fmt.Println("hello") // want "nothing ends this goroutine"
	}()
	<-ctx.Done()
	return nil
}

func poll() {
	for {
		time.Sleep(time.Second)
	}
}
