//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package process_test

func playParent() {}
