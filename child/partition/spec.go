package partition

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Most is the largest number of children.
const Most = 1 << 16

// A Spec declares the owners. Only Child is required.
type Spec[T any] struct {
	// N is the number of children to begin with. Zero means runtime.GOMAXPROCS(0) at the
	// time of New.
	N int

	// Child returns the spec of the child with index i, which counts from 0. Each name must
	// be unique among them. In each run, the child sets offer to the value that For returns,
	// before it calls ctx.Ready. Child is called for each run of the owners, and by a Resize
	// to more children.
	Child func(i int, offer *child.Ref[T]) child.Spec

	// Supervisor is the spec of the supervisor that the children run under: strategy, backoff
	// and so on. The zero Spec is a OneForOne supervisor without backoff. Its Children must
	// be empty, because they are those of Child.
	Supervisor supervisor.Spec
}

// Validate returns all problems of the spec but those of the children, as *child.SpecError
// values joined by errors.Join, or nil. New does not return them; Run does, before it does
// anything. The problems of the children are an error of Run, too.
func (s Spec[T]) Validate() error {
	var faults []error
	if problem := problemOf(s.N); problem != "" && s.N != 0 {
		faults = append(faults, &child.SpecError{Field: "N", Problem: problem})
	}
	if s.Child == nil {
		faults = append(faults, &child.SpecError{Field: "Child", Problem: "nil"})
	}
	if len(s.Supervisor.Children) > 0 {
		faults = append(faults, &child.SpecError{Field: "Supervisor", Problem: "has Children, but the children are those of Child"})
	}
	return errors.Join(faults...)
}

// problemOf returns what is wrong with a number of children, or "".
func problemOf(n int) string {
	switch {
	case n < 1:
		return fmt.Sprintf("%d: there must be at least one", n)
	case n > Most:
		return fmt.Sprintf("%d: there can be at most %d", n, Most)
	}
	return ""
}

// number returns how many children there are to begin with. An invalid number is reported by
// Run; until then there is one child, which never runs.
func (s Spec[T]) number() int {
	switch {
	case s.N == 0:
		return min(runtime.GOMAXPROCS(0), Most)
	case problemOf(s.N) != "":
		return 1
	}
	return s.N
}
