package blackbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxFile    = 16 << 20  // most bytes of one file of events
	minFile    = 256 << 10 // least
	leastFiles = 4         // files that the events of a life are spread over, at least
)

// A store is the directory of the life that is being recorded. Only the goroutine that
// writes events uses it, except for dir.
type store struct {
	top      string // Spec.Dir
	life     string // name of the life; empty until its directory is made
	began    time.Time
	fileSize int64 // most bytes of one file of events
	files    int   // most files of events
	header   func(life string, file int) []byte
	opened   func()                                  // called when the directory of the life has been made or opened
	retire   func(f *os.File)                        // syncs and closes a file that is full
	write    func(f *os.File, b []byte) (int, error) // replaced by tests

	mu  sync.Mutex
	dir *os.Root // of the life; nil while it is closed

	lock    io.Closer
	file    *os.File                // nil while it is closed
	current atomic.Pointer[os.File] // the same, for sync
	no      int                     // number of the file
	size    int64
	checked time.Time // when it was last looked whether the file is still there
}

// open opens what is not open: the directory, the lock and the file. If the directory of
// the life was removed, it is made again.
func (s *store) open() (err error) {
	if s.file != nil {
		return nil
	}
	if s.dir != nil && s.isThere() { // after a write that failed
		return s.openFile()
	}
	s.close()
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err := os.MkdirAll(s.top, 0o700); err != nil {
		return err
	}
	top, err := os.OpenRoot(s.top)
	if err != nil {
		return err
	}
	defer top.Close()
	if err := s.makeLife(top); err != nil {
		return err
	}
	dir, err := top.OpenRoot(s.life)
	if err != nil {
		return err
	}
	s.setDir(dir)
	if s.lock, err = takeLock(s.path(lockName)); err != nil {
		return err
	}
	if err := s.openFile(); err != nil {
		return err
	}
	s.opened()
	return nil
}

// path returns the path of a file of the life.
func (s *store) path(name string) string { return filepath.Join(s.top, s.life, name) }

// isThere reports whether the directory that is open is still at its path.
func (s *store) isThere() bool {
	there, err := os.Lstat(s.path("."))
	if err != nil {
		return false
	}
	mine, err := s.dir.Stat(".")
	return err == nil && os.SameFile(there, mine)
}

// makeLife makes the directory of the life. A name that is taken gets a number.
func (s *store) makeLife(top *os.Root) error {
	if s.life != "" {
		err := top.Mkdir(s.life, 0o700)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err := top.Lstat(s.life)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", filepath.Join(s.top, s.life))
		}
		return err
	}
	base := nameOf(s.began, os.Getpid())
	for i := range 1000 {
		name := base
		if i > 0 {
			name = fmt.Sprintf("%s.%d", base, i)
		}
		err := top.Mkdir(name, 0o700)
		if err == nil {
			s.life = name
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("%s: too many recordings with the same time and process ID", filepath.Join(s.top, base))
}

// openFile opens the current file, or the first one.
func (s *store) openFile() error {
	s.no = max(s.no, 1)
	f, err := s.dir.OpenFile(eventsFile(s.no), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	s.file, s.checked = f, time.Now()
	s.current.Store(f)
	// A write that failed may have left a part of a line behind s.size. If the file was
	// removed, this one is empty.
	s.size = min(s.size, info.Size())
	if err := s.rewind(); err != nil || s.size > 0 {
		return err
	}
	if err := s.dir.Remove(eventsFile(s.no - s.files)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.append(s.header(s.life, s.no))
}

// append appends complete lines. After an error a part of them may be in the file, until
// openFile removes it.
func (s *store) append(lines []byte) error {
	if s.file == nil {
		return fs.ErrClosed
	}
	n, err := s.write(s.file, lines)
	if err == nil && n < len(lines) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return err
	}
	s.size += int64(len(lines))
	return nil
}

// rewind removes what follows the last complete write.
func (s *store) rewind() error {
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	_, err := s.file.Seek(s.size, io.SeekStart)
	return err
}

// put opens what is not open, begins another file if this one is full, and appends lines.
// They must fit into one file. After an error the file is closed.
func (s *store) put(lines []byte) error {
	s.look()
	err := s.open()
	if err == nil && s.size+int64(len(lines)) > s.fileSize {
		err = s.rotate()
	}
	if err == nil {
		err = s.append(lines)
	}
	if err != nil {
		s.closeFile()
	}
	return err
}

// rotate begins another file. openFile removes the oldest one first if there are too many,
// so that a full disk does not keep it from going on.
func (s *store) rotate() error {
	s.retire(s.file)
	s.file = nil
	s.current.Store(nil)
	s.no++
	s.size = 0
	return s.openFile()
}

// lookEvery is how often it is looked whether somebody has removed the file.
const lookEvery = time.Second

// look closes the store if somebody has removed the file.
func (s *store) look() {
	now := time.Now()
	if s.file == nil || now.Sub(s.checked) < lookEvery {
		return
	}
	s.checked = now
	there, err := s.dir.Lstat(eventsFile(s.no))
	if err == nil {
		if mine, err := s.file.Stat(); err == nil && os.SameFile(there, mine) {
			return
		}
	}
	s.close()
}

// sync waits until the disk has what was written. It may be called from any goroutine.
func (s *store) sync() {
	if f := s.current.Load(); f != nil {
		_ = f.Sync() // if it was closed in between, it was synced then
	}
	if dir := s.opendir(); dir != nil {
		syncDir(dir)
	}
}

// syncTop waits until the disk has the name of the life.
func (s *store) syncTop() {
	if top, err := os.OpenRoot(s.top); err == nil {
		syncDir(top)
		_ = top.Close()
	}
}

// syncDir waits until the disk has the names in a directory. Some systems cannot do that.
func syncDir(dir *os.Root) {
	if f, err := dir.Open("."); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

func (s *store) closeFile() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
		s.current.Store(nil)
	}
}

// close closes everything and releases the lock.
func (s *store) close() {
	s.closeFile()
	if s.lock != nil {
		_ = s.lock.Close()
		s.lock = nil
	}
	s.setDir(nil)
}

// setDir sets the directory, and closes the one before.
func (s *store) setDir(dir *os.Root) {
	s.mu.Lock()
	before := s.dir
	s.dir = dir
	s.mu.Unlock()
	if before != nil {
		_ = before.Close()
	}
}

// opendir returns the directory of the life, or nil if it is not open. It may be called
// from any goroutine. The directory may be closed meanwhile.
func (s *store) opendir() *os.Root {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dir
}
