package strategy_test

import (
	"fmt"
	"time"

	"github.com/coppice-go/coppice/strategy"
)

func ExampleAtMost() {
	window := strategy.AtMost(2, time.Minute).NewWindow()
	for _, at := range []time.Duration{0, 20 * time.Second, 40 * time.Second, 61 * time.Second} {
		fmt.Println(at, window.Add(at))
	}
	// Output:
	// 0s true
	// 20s true
	// 40s false
	// 1m1s true
}

func ExampleUnlimited() {
	_, _, limited := strategy.Unlimited().Limit()
	fmt.Println(strategy.Unlimited(), limited)
	// The zero Intensity is not unlimited.
	fmt.Println(strategy.Intensity{})
	// Output:
	// unlimited false
	// 3 in 5s
}

func ExampleStrategy_Affected() {
	children := []string{"db", "cache", "jobs", "api"}
	const failed = 1 // the cache
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Independent} {
		from, to := s.Affected(failed, len(children))
		fmt.Println(s, children[from:to])
	}
	// Output:
	// one-for-one [cache]
	// one-for-all [db cache jobs api]
	// rest-for-one [cache jobs api]
	// independent [cache]
}
