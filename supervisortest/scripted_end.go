package supervisortest

import (
	"errors"

	"github.com/coppice-go/coppice/internal/testkit"
)

// ErrScripted is the failure of a scripted child that is given no other.
var ErrScripted = errors.New("scripted failure")

// Panic returns an error that, as the end of a run in Child.EndWith, Child.End
// or Harness.Crash, is a panic with the value. In their place
// child.ErrGoexit is a call of runtime.Goexit.
func Panic(value any) error { return testkit.Panic(value) }
