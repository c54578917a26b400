package blackbox

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
)

// prepare puts into the directory of the life what is there from the start. It is called
// again if somebody has removed the directory.
func (r *recorder) prepare() {
	dir := r.store.opendir()
	if dir == nil {
		return
	}
	if _, build := programOf(); build != "" {
		_ = dir.WriteFile(buildName, []byte(build), 0o600) // if this fails, so will the next line of the events
	}
	if r.spec.Crash {
		if err := r.attach(dir); err != nil {
			r.log(slog.LevelWarn, "coppice: black box: a crash will not be recorded", "err", err)
		}
	}
	r.later(r.store.syncTop)
	poke(r.syncs)
}

// crashOutput is the recorder that the runtime writes a crash for.
var crashOutput struct {
	mu sync.Mutex
	of *recorder
}

// attach lets the runtime write a crash into the directory.
func (r *recorder) attach(dir *os.Root) error {
	crashOutput.mu.Lock()
	defer crashOutput.mu.Unlock()
	f, err := dir.OpenFile(crashName, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() // the runtime has its own descriptor
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("debug.SetCrashOutput: %w", err)
	}
	crashOutput.of = r
	return nil
}

// detach undoes attach if the tree has ended. Otherwise the process may be about to crash.
func (r *recorder) detach(end End) {
	if !r.spec.Crash || end != Clean {
		return
	}
	crashOutput.mu.Lock()
	defer crashOutput.mu.Unlock()
	if crashOutput.of == r {
		crashOutput.of = nil
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	}
	dir := r.store.opendir()
	if dir == nil {
		return
	}
	if info, err := dir.Lstat(crashName); err == nil && info.Size() == 0 {
		_ = dir.Remove(crashName)
	}
}
