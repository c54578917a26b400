// Package rules has what the settings in package strategy mean to those that
// carry them out. Users set them, and need no more.
package rules

import (
	"fmt"

	"github.com/coppice-go/coppice/strategy"
)

// Ordered reports whether children start and stop one after another.
func Ordered(s strategy.Strategy) bool { return s != strategy.Independent }

// Due reports whether the end of a significant child ends the supervisor;
// left is how many other significant children run or wait for a restart.
func Due(a strategy.AutoShutdown, left int) bool {
	return a == strategy.AnySignificant || a == strategy.AllSignificant && left == 0
}

// Restarts returns a limit in words, as "3 restarts in 5s".
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
