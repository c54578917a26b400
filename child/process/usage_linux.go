package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// ticks is how many of the kernel's units of processor time a second has. For programs it
// is 100 on all architectures that Go supports.
const ticks = 100

// usageOf reads what a process uses.
func usageOf(pid int) (usage, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, false
	}
	// The name of the program, in parentheses, may have spaces and parentheses itself.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system, resident = 14 - 3, 15 - 3, 24 - 3 // the first one is number 3 of proc(5)
	if len(fields) <= resident {
		return usage{}, false
	}
	var n [3]int64
	for i, field := range []int{user, system, resident} {
		if n[i], err = strconv.ParseInt(string(fields[field]), 10, 64); err != nil {
			return usage{}, false
		}
	}
	return usage{
		cpu:    time.Duration(n[0]+n[1]) * (time.Second / ticks),
		memory: n[2] * int64(os.Getpagesize()),
	}, true
}
