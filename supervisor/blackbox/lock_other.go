//go:build !windows && !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package blackbox

import (
	"io"
	"os"
)

// takeLock only creates the file: this system has no lock that ends with the process.
func takeLock(path string) (io.Closer, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

// isLocked reports false: every life but the own one counts as ended.
func isLocked(string) bool { return false }
