//go:build !race

package observer

const race = false
