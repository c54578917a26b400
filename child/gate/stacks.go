package gate

import (
	"bytes"
	"reflect"
	"runtime"
	"strconv"
)

// maxDump bounds the size of all stacks. Those beyond it are not found.
const maxDump = 16 << 20

// stacksOf returns the stacks of the goroutines of runs, as far as they are found.
func stacksOf(runs []*running) map[*running][]byte {
	if len(runs) == 0 {
		return nil
	}
	text := make([]byte, min(1<<16+runtime.NumGoroutine()<<10, maxDump))
	for {
		n := runtime.Stack(text, true)
		if n < len(text) || len(text) == maxDump {
			text = text[:n]
			break
		}
		text = make([]byte, min(4*len(text), maxDump))
	}
	found := make(map[uintptr][]byte)
	for stack := range bytes.SplitSeq(text, []byte("\n\n")) {
		_, args, ok := bytes.Cut(stack, []byte("gate.call({0x"))
		digits, _, _ := bytes.Cut(args, []byte(","))
		if at, err := strconv.ParseUint(string(digits), 16, 64); ok && err == nil {
			found[uintptr(at)] = stack
		}
	}
	stacks := make(map[*running][]byte)
	for _, r := range runs {
		stacks[r] = found[reflect.ValueOf(r).Pointer()]
	}
	return stacks
}
