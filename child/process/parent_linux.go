package process

import "syscall"

// dieWithParent has the kernel kill the program when the thread that has started it ends,
// unless the command asks for another signal.
func dieWithParent(attr *syscall.SysProcAttr) {
	if attr.Pdeathsig == 0 {
		attr.Pdeathsig = syscall.SIGKILL
	}
}
