package child

import (
	"strconv"
	"sync/atomic"
)

var names atomic.Uint64

// UniqueName returns prefix, a dash and a number, such as job-17. No two calls
// in one process return the same number.
func UniqueName(prefix string) string {
	return prefix + "-" + strconv.FormatUint(names.Add(1), 10)
}
