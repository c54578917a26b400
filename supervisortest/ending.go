package supervisortest

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/coppice-go/coppice/child"
)

// ErrScripted is the failure of a scripted child that is given no other.
var ErrScripted = errors.New("scripted failure")

// Panic returns an error that, as the end of a run in Child.EndWith, Child.End
// or Harness.Crash, is a panic with the value. In their place
// child.ErrGoexit is a call of runtime.Goexit.
func Panic(value any) error { return &panicking{value} }

type panicking struct{ value any }

func (p *panicking) Error() string { return fmt.Sprintf("supervisortest: panic(%v)", p.value) }

// raise ends the caller's run as err says.
func raise(err error) error {
	if p, ok := err.(*panicking); ok {
		panic(p.value)
	}
	if err == child.ErrGoexit {
		runtime.Goexit()
	}
	return err
}
