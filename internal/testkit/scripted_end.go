package testkit

import (
	"fmt"
	"runtime"

	"github.com/coppice-go/coppice/child"
)

// Panic returns an error that Raise turns into a panic with the value.
func Panic(value any) error { return &panicking{value} }

type panicking struct{ value any }

func (p *panicking) Error() string { return fmt.Sprintf("supervisortest: panic(%v)", p.value) }

// Raise ends the caller's run as err says: by a panic if err is the result of Panic, by
// runtime.Goexit if it is child.ErrGoexit. Otherwise it returns err.
func Raise(err error) error {
	if p, ok := err.(*panicking); ok {
		panic(p.value)
	}
	if err == child.ErrGoexit {
		runtime.Goexit()
	}
	return err
}
