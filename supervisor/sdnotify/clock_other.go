//go:build !linux

package sdnotify

// monotonic reports false: only systemd wants it, which runs on Linux.
func monotonic() (usec int64, ok bool) { return 0, false }
