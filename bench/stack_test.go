//go:build !race

// With the race detector frames are larger, so stacks grow.

package bench

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// A goroutine starts with a stack of 2 KB. The stack of a child that does little must not
// grow, even if the child starts the next one or waits for the lock in Ready. The test
// runs in its own process with the garbage collector off: an allocation that helps it
// sweep needs more stack, and the collector makes the runtime start goroutines with
// larger stacks if many stacks are well filled.
func TestIdleChildrenKeepTheirInitialStack(t *testing.T) {
	if runtime.GOARCH != "amd64" || !strings.HasPrefix(runtime.Version(), "go1.26") {
		t.Skip("frame sizes depend on the compiler")
	}
	const variable, n = "COPPICE_BENCH_STACKS", 20_000
	if os.Getenv(variable) == "" {
		for _, s := range []crewShape{independent, oneForOne} {
			cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
			cmd.Env = append(os.Environ(), variable+"="+s.name, "GOGC=off")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", s.name, err, out)
			}
		}
		return
	}
	for _, s := range MemoryShapes() {
		if s.Name == os.Getenv(variable) {
			if got := s.Of(n).Stack; got < 2000 || got > 2048*1.01 { // one in a hundred may grow
				t.Errorf("stack of a child: %.0f B", got)
			}
			return
		}
	}
	t.Error("no such shape")
}
