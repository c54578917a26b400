package supervisortest

import (
	"errors"

	"github.com/coppice-go/coppice/internal/testkit"
)

// ErrScripted is the default failure of a scripted Child.
var ErrScripted = errors.New("scripted failure")

// Panic returns an error that makes a run panic with the value. Pass it to
// Child.StartError, Child.EndWith, Child.End or Harness.Crash. Likewise,
// child.ErrGoexit makes the run call runtime.Goexit.
func Panic(value any) error { return testkit.Panic(value) }
