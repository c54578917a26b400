// Package rules implements the meaning of the settings in package strategy, for the
// packages that carry them out. Users of the library only set them.
package rules

import (
	"fmt"

	"github.com/coppice-go/coppice/strategy"
)

// Ordered reports whether children start and stop one after the other.
func Ordered(s strategy.Strategy) bool { return s < strategy.Independent }

// Due reports whether the end of a significant child ends the supervisor. others is the
// number of other significant children that run or wait for a restart.
func Due(a strategy.AutoShutdown, others int) bool {
	return a == strategy.AnySignificant || a == strategy.AllSignificant && others == 0
}

// Restarts returns the limit i in words, such as "3 restarts in 5s".
func Restarts(i strategy.Intensity) string {
	n, period, ok := i.Limit()
	switch {
	case !ok:
		return "any number of restarts"
	case n == 1:
		return fmt.Sprintf("1 restart in %v", period)
	default:
		return fmt.Sprintf("%d restarts in %v", n, period)
	}
}
