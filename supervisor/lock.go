package supervisor

// lock takes l.mu, and passes to the machine what is posted: see ready_batch.go. Nothing else
// may take l.mu.
//
//go:noinline
func (l *life) lock() {
	l.lookAndLock()
	if l.posted.Load() != nil {
		l.takePosted()
	}
}

// looks is how often lookAndLock looks at the lock before it waits for it, and pause how long it
// counts in between, without touching the lock: some microseconds in total.
const looks, pause = 30, 300

// lookAndLock takes l.mu. A visit to the machine takes less than a microsecond. But the
// runtime parks a goroutine that finds a mutex taken at once if others are ready to run. When
// very many children start or fail at the same time, the next one finds it taken too, and so
// each visit waits in a queue and costs two switches. So lookAndLock looks a few times before it
// waits.
func (l *life) lookAndLock() {
	for range looks {
		if l.mu.TryLock() {
			return
		}
		for range pause {
		}
	}
	l.mu.Lock()
}
