//go:build darwin || dragonfly || netbsd || openbsd

package process

import "syscall"

// dieWithParent does nothing: these systems cannot tie a program to its parent.
func dieWithParent(*syscall.SysProcAttr) {}
