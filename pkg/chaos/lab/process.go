//go:build unix

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// process is a child process that can be killed, stopped, paused and restarted.
type process struct {
	name string
	path string
	args []string
	env  []string
	dir  string
	// ready reports whether the process is ready; it is called until it is.
	ready func(context.Context) bool
	// natsLines are the proxies between the process and NATS, clientLines those between clients and the process.
	natsLines, clientLines []*proxy.Proxy
	starter                *starter
	// onExit is called when the process exits by itself.
	onExit func(name string, err error)

	// busy holds a token while a fault affects the process, so that faults do not overlap on it.
	busy chan struct{}

	mu       sync.Mutex
	cmd      *exec.Cmd
	expected bool
	ended    chan struct{}
}

// launch starts the process. Its output is appended to one log file across restarts.
func (p *process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", p.name, err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(p.path, p.args...) //nolint:gosec,noctx // A program of this module; it is stopped explicitly.
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.env, p.dir, out, out
	cmd.SysProcAttr = attributes()
	if err := p.starter.start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.expected = cmd, ended, false
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		expected := p.expected
		p.mu.Unlock()
		close(ended)
		if !expected {
			p.onExit(p.name, err)
		}
	}()
	return nil
}

func (p *process) logPath() string { return filepath.Join(p.dir, p.name+".log") }

// awaitReady waits until the process is ready.
func (p *process) awaitReady(ctx context.Context) error {
	for !p.ready(ctx) {
		if !lifecycle.Sleep(ctx, readyEvery) {
			return fmt.Errorf("wait for %s: %w", p.name, context.Cause(ctx))
		}
	}
	return nil
}

const readyEvery = 50 * time.Millisecond

// signal sends a signal to the process. A process that has exited is not an error.
func (p *process) signal(s syscall.Signal, expectExit bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = p.expected || expectExit
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, p.name, err)
	}
	return nil
}

// kill sends SIGKILL and waits until the process has exited.
func (p *process) kill() error {
	err := p.signal(syscall.SIGKILL, true)
	<-p.done()
	return err
}

// stop sends SIGTERM, and kills the process if it does not exit in time.
func (p *process) stop(ctx context.Context, timeout time.Duration) error {
	if err := p.signal(syscall.SIGTERM, true); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	select {
	case <-p.done():
		return nil
	case <-ctx.Done():
		return p.kill()
	}
}

func (p *process) done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// alive reports whether the process runs.
func (p *process) alive() bool {
	select {
	case <-p.done():
		return false
	default:
		return true
	}
}

// tryLock reserves the process for a fault. It returns false if another fault affects it.
func (p *process) tryLock() bool {
	select {
	case p.busy <- struct{}{}:
		return true
	default:
		return false
	}
}

// unlock releases the process.
func (p *process) unlock() { <-p.busy }

// starter starts all processes from one OS thread that lives as long as this program: on Linux the parent-death signal is
// sent when the thread that started a process ends.
type starter struct{ work chan func() }

func newStarter() *starter {
	s := &starter{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) error {
	done := make(chan error)
	s.work <- func() { done <- cmd.Start() }
	return <-done
}

// close ends the thread and, on Linux, the remaining processes.
func (s *starter) close() { close(s.work) }

// urlOf returns the NATS_URL for addrs.
func urlOf(addrs []string) string {
	return "nats://" + strings.Join(addrs, ",nats://")
}
