//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A process is a member as the stage sees it.
type process struct {
	name, page string
	line       *line
	args       []string
	log        string

	cmd    *exec.Cmd
	stdin  io.Closer
	exited chan struct{} // closed when it has exited
	err    error         // of its exit
}

func newProcess(dir, name string, ttl time.Duration, etcd []string, ledger string) (*process, error) {
	l, err := newLine(etcd)
	if err != nil {
		return nil, err
	}
	page, err := freeAddress()
	if err != nil {
		l.close()
		return nil, err
	}
	return &process{
		name: name, page: page, line: l, log: filepath.Join(dir, name+".log"),
		args: []string{
			"-member", name, "-etcd", strings.Join(l.endpoints(), ","), "-ledger", ledger, "-page", page,
			"-acked", filepath.Join(dir, name+".acked"), "-ttl", ttl.String(),
		},
	}, nil
}

// start starts the process, or starts it again.
func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the stage alone
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go func() { // ends with the process
		p.err = cmd.Wait()
		close(exited)
	}()
	return nil
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("process %s: %v: %w", p.name, s, err)
	}
	return nil
}

// exit waits for the end of the process.
func (p *process) exit(ctx context.Context) error {
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("process %s has not exited: %w", p.name, context.Cause(ctx))
	}
}

// kill ends the process, if it runs.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	p.line.close()
}

// standing asks the process whether it leads.
func (p *process) standing(ctx context.Context) (s standing, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.page+"/gate", nil)
	if err != nil {
		return s, err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	return s, json.NewDecoder(resp.Body).Decode(&s)
}
