//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package listening

import "context"

// removeLeftover does nothing on systems where a directory cannot be locked.
func removeLeftover(_ context.Context, _, _ string, failed error) error { return failed }
