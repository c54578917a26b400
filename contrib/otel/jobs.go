package coppiceotel

// observeJobs observes all periodic jobs.
func (s *snapshot) observeJobs() {
	for path, j := range s.w.fold.jobs.shown(s.seen) {
		last := 0. // so that a job that never succeeds has a series
		if at := j.State().LastSuccess; !at.IsZero() {
			last = seconds(at)
		}
		s.float(s.w.lastSuccess, last, keyPath.String(lineOf(path)))
	}
}
