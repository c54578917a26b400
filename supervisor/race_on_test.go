//go:build race

package supervisor_test

const underRace = true
