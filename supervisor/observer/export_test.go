package observer

import "testing"

// SetProcess fixes what an observer says of the process.
func SetProcess(t *testing.T, host, version, goVersion string, goroutines int, heap uint64) {
	before := processNow
	processNow = func() process { return process{host, version, goVersion, goroutines, heap} }
	t.Cleanup(func() { processNow = before })
}

// HasSnapshot reports whether a model is kept.
func (o *Observer) HasSnapshot() bool {
	o.latest.mu.Lock()
	defer o.latest.mu.Unlock()
	return o.latest.last != nil
}

// ShareOldModel makes requests share a model from before every event.
func (o *Observer) ShareOldModel() {
	o.latest.mu.Lock()
	defer o.latest.mu.Unlock()
	o.latest.last = new(model)
}

// ForgetModel ends that.
func (o *Observer) ForgetModel() { o.latest.forget() }
