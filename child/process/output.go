package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
)

// lingerMost is how long the output is read after the end of the program, if a process that
// has left its group keeps it open.
const lingerMost = time.Second

// An output reads what a program writes to stdout and stderr, and logs it.
type output struct {
	ctx    context.Context
	logger *slog.Logger
	attrs  []slog.Attr
	seen   func(line []byte) // is called with each line, complete or not; nil: nobody waits for one

	stdout, stderr *stream    // nil: directed elsewhere
	broken         chan error // receives the first failure of the logger
	reported       sync.Once
}

// A stream is stdout or stderr of a program.
type stream struct {
	*output
	level    slog.Level
	from, to *os.File // the ends of the pipe
	line     line
	tail     tail
	begun    bool
	done     chan struct{} // closed when nothing is read any more
}

// capture gives the command pipes to write to.
func capture(ctx child.Context, cmd *exec.Cmd, logger *slog.Logger, seen func([]byte)) (*output, error) {
	o := &output{ctx: context.WithoutCancel(ctx), logger: logger, seen: seen, broken: make(chan error, 1)}
	if path := ctx.Path(); path != "" {
		o.attrs = append(o.attrs, slog.String("path", path))
	}
	var err error
	if cmd.Stdout == nil {
		if o.stdout, err = o.open(slog.LevelInfo); err != nil {
			return nil, err
		}
		cmd.Stdout = o.stdout.to
	}
	if cmd.Stderr == nil {
		if o.stderr, err = o.open(slog.LevelWarn); err != nil {
			o.close()
			return nil, err
		}
		cmd.Stderr = o.stderr.to
	}
	return o, nil
}

func (o *output) open(level slog.Level) (*stream, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &stream{output: o, level: level, from: from, to: to, done: make(chan struct{})}, nil
}

func (o *output) streams() (all []*stream) {
	for _, s := range []*stream{o.stdout, o.stderr} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// begin begins to read, once the program has started.
func (o *output) begin(pid int) {
	o.attrs = append(o.attrs, slog.Int("pid", pid))
	for _, s := range o.streams() {
		s.begun = true
		go s.read()
	}
}

// closeWriters closes the ends of the pipes that the program has by now.
func (o *output) closeWriters() {
	for _, s := range o.streams() {
		_ = s.to.Close()
	}
}

// finish waits until all output has been read, for at most linger, and ends the reading.
func (o *output) finish(linger time.Duration) {
	late := time.NewTimer(linger)
	defer late.Stop()
	for _, s := range o.streams() {
		select {
		case <-s.done:
		case <-late.C:
			late.Reset(0) // for the other stream
		}
	}
	o.close()
}

// close ends the reading. It waits for the logger.
func (o *output) close() {
	for _, s := range o.streams() {
		_ = s.to.Close()
		_ = s.from.Close()
		if s.begun {
			<-s.done
		}
	}
}

// last returns the last lines of stderr, or if it is empty, of stdout. Nothing may be read
// any more.
func (o *output) last() []string {
	if o.stderr != nil && o.stderr.tail.lines != nil {
		return o.stderr.tail.lines
	}
	if o.stdout != nil {
		return o.stdout.tail.lines
	}
	return nil
}

// read reads until the output ends.
func (s *stream) read() {
	ended := false
	defer func() {
		if ended {
			close(s.done)
			return
		}
		s.report(errors.New("process: Spec.Logger called runtime.Goexit"))
		go s.read()
	}()
	buf := make([]byte, 8<<10)
	for {
		n, err := s.from.Read(buf)
		s.line.add(buf[:n], s.log, s.seen)
		if err != nil {
			s.line.flush(s.log)
			ended = true
			return
		}
	}
}

// log logs a line, and keeps it for an ExitError.
func (s *stream) log(text string) {
	defer func() {
		if v := recover(); v != nil {
			s.report(child.Recovered(v))
		}
	}()
	s.tail.add(text)
	s.logger.LogAttrs(s.ctx, s.level, text, s.attrs...)
}

// report reports the first failure of the logger: the others would be as many as the lines.
func (o *output) report(err error) {
	o.reported.Do(func() { o.broken <- err })
}
