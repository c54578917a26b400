//go:build race

package observer_test

const underRace = true
