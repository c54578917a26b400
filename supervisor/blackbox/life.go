package blackbox

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
)

// A Life is what one process has recorded, from Watch until the returned function was
// called or the process ended. It has a directory of its own. Its texts are as they were
// recorded: they are not safe to show in a terminal, apart from that of String.
type Life struct {
	Name string `json:"name"` // of its directory, such as 20261101T101500.123456Z-4711: when it began and the process ID
	Dir  string `json:"dir"`  // its directory

	Root    string    `json:"root"`              // path of the supervisor
	PID     int       `json:"pid"`               // process ID
	Program string    `json:"program,omitempty"` // main package of the program and its version, if known
	Go      string    `json:"go"`                // version of Go
	Began   time.Time `json:"began"`             // when Watch was called
	Latest  time.Time `json:"latest,omitzero"`   // time of the last record; zero if there is none

	End   End      `json:"end"`             // how it ended
	Err   string   `json:"err,omitempty"`   // Clean: the error with which the tree ended; Crashed: the first line of the crash
	Dumps []string `json:"dumps,omitempty"` // names of its dumps, the oldest first
}

// String describes the life in one line.
func (l Life) String() string {
	line := oneline.Text(fmt.Sprintf("%s %s: %s", l.Name, l.Root, l.outcome()))
	if len(l.Dumps) > 0 {
		line += ", dumps: " + strings.Join(l.Dumps, ", ")
	}
	return line
}

// outcome says how the life ended.
func (l *Life) outcome() string {
	latest := ""
	if !l.Latest.IsZero() {
		latest = ", last record at " + l.Latest.Local().Format(time.DateTime)
	}
	text := ""
	switch l.End {
	case Running:
		return "running"
	case Clean:
		text = "the tree ended"
	case Detached:
		return "the recording was stopped while the tree was running" + latest
	case Crashed:
		text = "crashed"
	default:
		return "ended without a stop: killed, or the process exited by itself" + latest
	}
	if l.Err != "" {
		text += ": " + l.Err
	}
	return text + latest
}

// lifeName is the name of the directory of a life.
var lifeName = regexp.MustCompile(`^\d{8}T\d{6}\.\d{6}Z-\d+(\.\d+)?$`)

// nameOf returns the name of a life. Names sort by time.
func nameOf(began time.Time, pid int) string {
	return fmt.Sprintf("%s-%d", began.UTC().Format("20060102T150405.000000Z"), pid)
}

var eventsName = regexp.MustCompile(`^events-\d{6}\.jsonl$`)

func eventsFile(no int) string { return fmt.Sprintf("events-%06d.jsonl", no) }

var dumpName = regexp.MustCompile(`^dump-\d{4}-[a-z-]+$`)

const (
	lockName  = "lock"
	crashName = "crash.txt"
	buildName = "build.txt"
	seenName  = "reported"
)

// maxRead bounds how much of a file of events is read. A file that Watch wrote is smaller.
const maxRead = 2 * maxFile

// Lives returns the lives that were recorded in a directory, the oldest first. It ignores
// everything else in it. The directory must be Spec.Dir.
func Lives(dir string) ([]Life, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var lives []Life
	for _, e := range entries { // sorted by name
		if !e.IsDir() || !lifeName.MatchString(e.Name()) {
			continue
		}
		if life, err := readLife(filepath.Join(dir, e.Name())); err == nil {
			lives = append(lives, life)
		}
	}
	return lives, nil
}

// errNoLife means that nothing was recorded in a directory, perhaps not yet.
var errNoLife = errors.New("no recording")

// readLife describes the life in a directory. It reads the start and the end of its files.
func readLife(dir string) (Life, error) {
	l := Life{Name: filepath.Base(dir), Dir: dir}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return l, err
	}
	defer root.Close()
	files, dumps, err := contents(root)
	if err != nil {
		return l, err
	}
	if len(files) == 0 {
		return l, errNoLife
	}
	l.Dumps = dumps
	l.readBegin(root, files)
	over, last := l.readEnd(root, files)
	crash := readCrash(root)
	switch {
	case isLocked(filepath.Join(dir, lockName)):
		l.End = Running
	case crash != "":
		l.End = Crashed
		l.Err = firstLine(crash)
	case last != 0:
		l.End = last
	case over:
		l.End = Clean
	default:
		l.End = Killed
	}
	if l.End != Clean && l.End != Crashed {
		l.Err = ""
	}
	return l, nil
}

// contents returns the files of events in the directory of a life, and the dumps.
func contents(root *os.Root) (files, dumps []string, err error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		switch {
		case e.Type().IsRegular() && eventsName.MatchString(e.Name()):
			files = append(files, e.Name())
		case e.IsDir() && dumpName.MatchString(e.Name()):
			dumps = append(dumps, e.Name())
		}
	}
	slices.Sort(files)
	slices.Sort(dumps)
	return files, dumps, nil
}

// readBegin reads which life it is from the first file that says so.
func (l *Life) readBegin(root *os.Root, files []string) {
	for _, name := range files {
		f, err := openRegular(root, name)
		if err != nil {
			continue
		}
		line, _ := bufio.NewReader(io.LimitReader(f, maxLine)).ReadBytes('\n')
		_ = f.Close()
		var b begin
		if json.Unmarshal(line, &b) == nil && b.Life != "" {
			l.Root, l.PID, l.Program, l.Go, l.Began = b.Root, b.PID, b.Program, b.Go, b.Began
			return
		}
	}
}

// readEnd reads the end of the last file: whether the last event is the end of the root,
// and what the recording says about its own end. It fills in Latest and Err.
func (l *Life) readEnd(root *os.Root, files []string) (over bool, said End) {
	for _, name := range slices.Backward(files) {
		data, err := readTail(root, name, 2*maxLine)
		if err != nil {
			continue
		}
		for _, line := range backward(data) {
			r, ok := parse(line)
			if !ok || r.Begin != "" {
				continue
			}
			if l.Latest.IsZero() {
				l.Latest = r.Time
			}
			if r.End != nil && said == 0 {
				if json.Unmarshal(r.End, &said) == nil && r.Err != "" {
					l.Err = r.Err
				}
				continue
			}
			if r.N > 0 && r.Kind != supervisor.EventLateExit.String() { // may follow the end
				if r.Kind == supervisor.EventOver.String() && r.Path == l.Root {
					l.Err = cmp.Or(l.Err, r.Err)
					return true, said
				}
				return false, said
			}
		}
	}
	return false, said
}

// backward returns an iterator over the complete lines of data, the last one first, and
// where they start.
func backward(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		end := bytes.LastIndexByte(data, '\n') // what follows is torn
		for end >= 0 {
			before := bytes.LastIndexByte(data[:end], '\n')
			if !yield(before+1, data[before+1:end+1]) {
				return
			}
			end = before
		}
	}
}

// readCrash returns the start of what the runtime wrote when the process crashed.
func readCrash(root *os.Root) string {
	f, err := openRegular(root, crashName)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, maxCrash))
	return string(text)
}

// maxCrash bounds how much of a crash is shown.
const maxCrash = 1 << 20

func firstLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return oneline.Text(cut(text, maxErr))
}

// openRegular opens a file that must not be a symbolic link, a pipe or a device.
func openRegular(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return root.Open(name)
}

// readTail returns the last bytes of a file, limit at most.
func readTail(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-limit), limit))
}
