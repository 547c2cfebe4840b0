//go:build unix

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// process is one child that can be killed, stopped, paused and started again.
type process struct {
	name string
	path string
	args []string
	env  []string
	dir  string
	// ready reports whether the child serves; it is asked until it does.
	ready func(context.Context) bool
	// lines are the connections to NATS, and fronts those of clients, that can be disturbed.
	lines, fronts []*proxy.Proxy
	starter       *starter
	// died is told about a child that ended by itself.
	died func(name string, err error)

	// turn is held by whoever disturbs the child, so that two faults do not meet.
	turn chan struct{}

	mu       sync.Mutex
	cmd      *exec.Cmd
	expected bool
	ended    chan struct{}
}

// launch starts the child. Its output is appended to one file over all its lives.
func (p *process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", p.name, err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(p.path, p.args...) //nolint:gosec,noctx // A program of our own; it lives as long as the laboratory.
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
			p.died(p.name, err)
		}
	}()
	return nil
}

func (p *process) logPath() string { return filepath.Join(p.dir, p.name+".log") }

// awaitReady waits until the child serves.
func (p *process) awaitReady(ctx context.Context) error {
	for !p.ready(ctx) {
		if !lifecycle.Sleep(ctx, readyEvery) {
			return fmt.Errorf("wait for %s: %w", p.name, context.Cause(ctx))
		}
	}
	return nil
}

const readyEvery = 50 * time.Millisecond

// signal sends a signal to the child. One that has ended already is no error.
func (p *process) signal(s syscall.Signal, ending bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = p.expected || ending
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, p.name, err)
	}
	return nil
}

// kill ends the child as a crash does and waits until it is gone.
func (p *process) kill() error {
	err := p.signal(syscall.SIGKILL, true)
	<-p.end()
	return err
}

// stop asks the child to end and kills it when it takes too long.
func (p *process) stop(ctx context.Context, patience time.Duration) error {
	if err := p.signal(syscall.SIGTERM, true); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	select {
	case <-p.end():
		return nil
	case <-ctx.Done():
		return p.kill()
	}
}

func (p *process) end() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// alive reports whether the child runs.
func (p *process) alive() bool {
	select {
	case <-p.end():
		return false
	default:
		return true
	}
}

// take gets the right to disturb the child, unless somebody has it.
func (p *process) take() bool {
	select {
	case p.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

// give gives the right back.
func (p *process) give() { <-p.turn }

// starter starts children from one thread of the operating system that lives as long as the laboratory: on Linux a child
// asks to be killed when the thread that started it ends.
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

// close ends the thread, and with it what is left of the children.
func (s *starter) close() { close(s.work) }

// natsURL joins addresses as NATS_URL wants them.
func natsURL(addrs []string) string {
	var all string
	for i, addr := range addrs {
		if i > 0 {
			all += ","
		}
		all += (&url.URL{Scheme: "nats", Host: addr}).String()
	}
	return all
}
