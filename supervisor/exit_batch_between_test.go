package supervisor

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/machine"
)

// Other callers get the lock between two batches of exits. Each batch has its own time.
func TestMoreExitsThanABatchAreNotAppliedAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its clock is too coarse to tell them apart")
	}
	const many = 3 * machine.BatchSize
	times := map[int64]int{}
	var all sync.WaitGroup
	all.Add(many)
	endTest{many: many, meanwhile: func(s *Supervisor, _ []string) {
		t.Cleanup(s.Subscribe(func(e Event) {
			times[e.Time.UnixNano()]++
			all.Done()
		}, EventStopped))
	}}.run(t)
	all.Wait()
	require.GreaterOrEqual(t, len(times), 3)
	for _, n := range times {
		require.LessOrEqual(t, n, machine.BatchSize)
	}
}
