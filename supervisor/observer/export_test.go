package observer

import "testing"

// SetProcess fixes what an observer says of the process.
func SetProcess(t *testing.T, host, version, goVersion string, goroutines int, heap uint64) {
	before := processNow
	processNow = func() process { return process{host, version, goVersion, goroutines, heap} }
	t.Cleanup(func() { processNow = before })
}
