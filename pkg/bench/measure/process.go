//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 30 * time.Second
	// readyEvery is how often a starting process is asked whether it is ready, which limits the precision of the time of a start.
	readyEvery = 2 * time.Millisecond
	// logTail is how much of the log of a failed process is reported.
	logTail = 2000

	// The ports are below the ephemeral ones, so that no outgoing connection takes them.
	firstPort = 20000
	lastPort  = 32000
	portTries = 200
)

// CeilingCommand is the argument with which Run starts its own program again, followed by an address: it must serve the package
// ceiling there.
const CeilingCommand = "ceiling"

// process is a child process that serves HTTP.
type process struct {
	cmd  *exec.Cmd
	addr string
	// startTime is how long it took until the process was ready.
	startTime time.Duration
	log       string
	exited    chan struct{}
	err       error
}

// startProcess starts a program and waits until it is ready. It is killed when ctx ends.
func startProcess(ctx context.Context, addr, log string, env []string, path string, args ...string) (*process, error) {
	began := time.Now()
	p, err := launch(ctx, addr, log, env, path, args...)
	if err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx); err != nil {
		p.kill()
		return nil, err
	}
	p.startTime = time.Since(began)
	return p, nil
}

// launch starts a program. It is killed when ctx ends.
func launch(ctx context.Context, addr, log string, env []string, path string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // A file of the benchmark.
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // A program of this module.
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	// A group of its own, so that an interrupt at the terminal does not reach it before it has been measured and stopped, and an
	// end with this program.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	p := &process{cmd: cmd, addr: addr, log: log, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !p.ready(ctx) {
		select {
		case <-p.exited:
			return fmt.Errorf("the process ended at its start: %w\n%s", p.err, p.tail())
		default:
		}
		if !lifecycle.Sleep(ctx, readyEvery) {
			return fmt.Errorf("wait until ready: %w\n%s", context.Cause(ctx), p.tail())
		}
	}
	return nil
}

func (p *process) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+"/readyz", nil)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (p *process) url() string { return "http://" + p.addr }

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop stops the process as an operator would. It fails when the process does not end well or in time.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop: %w", err)
	}
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("the process does not stop within %s\n%s", stopTimeout, p.tail())
	}
	if p.err != nil {
		return fmt.Errorf("the process ended: %w\n%s", p.err, p.tail())
	}
	return nil
}

// kill sends SIGKILL and waits for the end. A process that has ended is no error.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// tail returns the end of the log.
func (p *process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	return string(data[max(0, len(data)-logTail):])
}

// freePorts returns n loopback addresses with free ports.
func freePorts(ctx context.Context, n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		var err error
		if addrs[i], err = freePort(ctx); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// freePort returns a loopback address with a free port.
func freePort(ctx context.Context) (string, error) {
	for range portTries {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort))) //nolint:gosec // Any port will do.
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		return addr, l.Close()
	}
	return "", fmt.Errorf("find a free port: %d tries failed", portTries)
}
