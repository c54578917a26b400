package blackbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// before returns the newest life that has ended before the one named own, if there is one,
// and those lives that ended other than Clean and that no start has reported yet, the
// oldest first. It marks them as reported.
func before(top, own string) (last *Life, unreported []Life, err error) {
	lives, err := Lives(top)
	if err != nil {
		return nil, nil, err
	}
	for i := range lives {
		l := &lives[i]
		if l.Name == own || l.End == Running {
			continue
		}
		last = l
		if l.End != Clean && claim(l.Dir) {
			unreported = append(unreported, *l)
		}
	}
	return last, unreported, nil
}

// claim reports whether no other start has reported the life in a directory. If that
// cannot be written down, the next start reports it again.
func claim(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, seenName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_ = f.Close()
	}
	return !errors.Is(err, fs.ErrExist)
}

// prune removes lives until no more than keep are left, the one named own included: first
// those that ended Clean, then the oldest. It leaves alone lives that are Running, which
// do not count, and everything that is not a life.
func prune(top, own string, keep int) error {
	entries, err := os.ReadDir(top)
	if err != nil {
		return err
	}
	var clean, other []string
	for _, e := range entries {
		name := e.Name()
		if name == own || !e.IsDir() || !lifeName.MatchString(name) {
			continue
		}
		l, err := readLife(filepath.Join(top, name))
		switch {
		case err != nil && isNew(e):
			// another process is about to lock it
		case err != nil || l.End == Clean:
			clean = append(clean, name)
		case l.End != Running:
			other = append(other, name)
		}
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	surplus := 1 + len(clean) + len(other) - keep
	for _, name := range slices.Concat(clean, other)[:max(0, min(surplus, len(clean)+len(other)))] {
		errs = append(errs, root.RemoveAll(name))
	}
	return errors.Join(errs...)
}

// isNew reports whether a directory without a recording was changed in the last minute.
func isNew(e fs.DirEntry) bool {
	info, err := e.Info()
	return err == nil && time.Since(info.ModTime()) < time.Minute
}
