package bench

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

func TestMemoryIsOfTheChildren(t *testing.T) {
	for _, s := range MemoryShapes() {
		if m := s.Of(1000); m.Heap < 50 || m.Heap > 10_000 || m.Goroutines < 1000 || m.Goroutines > 1003 {
			t.Errorf("%s: %+v", s.Name, m)
		}
	}
}

// A goroutine begins with a stack of 2 KB. That of a child that does little stays at
// that, also while it starts the next one, or waits for the lock to say that it is
// ready. In a process of its own, and without the collector: whoever has to sweep for it
// goes deeper, and it has the runtime begin with larger stacks if many are well filled.
func TestIdleChildrenKeepTheStackTheyBeginWith(t *testing.T) {
	if runtime.GOARCH != "amd64" || !strings.HasPrefix(runtime.Version(), "go1.26") {
		t.Skip("other compilers make other frames")
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
			if got := s.Of(n).Stack; got < 2000 || got > 2048*1.01 { // one in a hundred has grown
				t.Errorf("%.0f B of stack for a child", got)
			}
			return
		}
	}
	t.Error("no such shape")
}
