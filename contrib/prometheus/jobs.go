package coppiceprom

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/internal/kept"
	"github.com/coppice-go/coppice/supervisor"
)

// findJobs finds the periodic jobs of the tree. A child that is done has none any more: the
// schedule is over, so the last success may be long ago.
func findJobs(root *supervisor.Supervisor) *extras[periodic.Job] {
	return &extras[periodic.Job]{
		running: periodic.Running(root), series: jobSeries,
		slot:  func(k *kid) *kept.Kept[periodic.Job] { return &k.job },
		ended: func(st *child.Status) bool { return st.State == child.Done },
	}
}

// job adds the metric of a job.
func (o *output) job(label string, j *periodic.Job) {
	last := 0. // so that a job that never succeeds has a series
	if at := j.State().LastSuccess; !at.IsZero() {
		last = seconds(at)
	}
	o.add(periodicLastSuccess, last, label)
}
