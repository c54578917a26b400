package blackbox

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/coppice-go/coppice/supervisor"
)

// Events returns the last events of the life, n at most, the oldest first. If n is
// negative it returns all that are kept. Event.Lost is the number of events before this
// one that are not in the result: they were dropped because the disk was slow or full, or
// removed to make room, or for the first one, not asked for. Errors have only their text.
// An event of a kind that this version does not know has Kind zero.
func (l *Life) Events(n int) ([]supervisor.Event, error) {
	root, err := os.OpenRoot(l.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var events []supervisor.Event
	err = eachRecord(root, n, func(r *record, missing uint64) {
		if r.N > 0 {
			e := r.event()
			e.Lost = missing
			events = append(events, e)
		}
	})
	return events, err
}

// eachRecord calls f for the last n events of a life and the notes that follow the first
// of them, in order; for all that are kept if n is negative. missing is the number of
// events just before the record that f was not called for.
func eachRecord(root *os.Root, n int, f func(r *record, missing uint64)) error {
	files, _, err := contents(root)
	if err != nil {
		return err
	}
	return eachRecordOf(root, files, n, f)
}

// eachRecordOf is eachRecord for some of the files of a life.
func eachRecordOf(root *os.Root, files []string, n int, f func(r *record, missing uint64)) error {
	from, at := tailOf(root, files, n)
	var errs []error
	last := uint64(0) // number of the last event
	for i, name := range files[from:] {
		data, err := readTail(root, name, maxRead)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) { // otherwise the life that runs has removed it
				errs = append(errs, err)
			}
			continue
		}
		if i == 0 {
			data = data[min(at, len(data)):]
		}
		for line := range bytes.Lines(data) {
			r, ok := parse(line)
			if !ok || r.N > 0 && r.N <= last {
				continue // the numbers say what is missing
			}
			missing := uint64(0)
			if next := r.next(); next > last+1 {
				missing = next - 1 - last
			}
			f(&r, missing)
			last = max(last, r.N)
		}
	}
	return errors.Join(errs...)
}

// next returns the number that the next event would have just before the record, or zero
// if the record does not say.
func (r *record) next() uint64 {
	if r.End != nil {
		return r.Last + 1
	}
	return r.N
}

// tailOf returns in which file the last n events begin, and where in it. If there are
// fewer, or n is negative, it returns the start of the first file.
func tailOf(root *os.Root, files []string, n int) (from, at int) {
	if n < 0 {
		return 0, 0
	}
	for i, name := range slices.Backward(files) {
		data, err := readTail(root, name, maxRead)
		if err != nil {
			continue // eachRecord reports it, if it gets there
		}
		if n == 0 {
			return i, len(data)
		}
		for start, line := range backward(data) {
			if r, ok := parse(line); !ok || r.N == 0 {
				continue
			}
			if n--; n == 0 {
				return i, start
			}
		}
	}
	return 0, 0
}
