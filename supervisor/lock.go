package supervisor

// looks is how often lock looks at the lock before it waits for it, and pause how long it
// counts in between, without touching the lock: some microseconds in total.
const looks, pause = 30, 300

// lock takes l.mu for a visit to the machine. A visit takes less than a microsecond. But the
// runtime parks a goroutine that finds a mutex taken at once if others are ready to run. When
// very many children start or fail at the same time, the next one finds it taken too, and so
// each visit waits in a queue and costs two switches. So lock looks a few times before it
// waits.
//
//go:noinline
func (l *life) lock() {
	for range looks {
		if l.mu.TryLock() {
			return
		}
		for range pause {
		}
	}
	l.mu.Lock()
}
