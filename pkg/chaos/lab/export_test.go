//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
)

// Order returns the body, kind, key and minimum number of calls of a random order.
func Order(rng *rand.Rand, name string) (body []byte, kind, key string, minCalls int) {
	o := newOrder(rng, name)
	return o.body, o.kind, o.key, o.minCalls
}

// CheckLog checks the log of the process called name in dir.
func CheckLog(dir, name string, m *model.Model) (busiest int, internalErrors []string) {
	cl := &cluster{model: m}
	return cl.checkLog(&process{name: name, dir: dir})
}

// RemovedEnds returns the jobs whose ends are in data that a power cut has removed from a file.
func RemovedEnds(path string, data []byte) []string {
	var l losses
	l.add(path, data)
	return l.ends
}

// Child exports process.
type Child struct{ p *process }

// NewChild returns a process that runs path, and a function that ends its starter.
func NewChild(dir string, onExit func(string, error), path string, args ...string) (*Child, func()) {
	s := newStarter()
	return &Child{&process{name: "child", path: path, args: args, dir: dir, starter: s, onExit: onExit, busy: make(chan struct{}, 1)}}, s.close
}

func (c *Child) Launch() error          { return c.p.launch() }
func (c *Child) Kill() error            { return c.p.kill() }
func (c *Child) Alive() bool            { return c.p.alive() }
func (c *Child) Pause() error           { return c.p.signal(syscall.SIGSTOP, false) }
func (c *Child) Log() string            { return c.p.logPath() }
func (c *Child) TryLock() bool          { return c.p.tryLock() }
func (c *Child) Unlock()                { c.p.unlock() }
func (c *Child) Ended() <-chan struct{} { return c.p.done() }
func (c *Child) Stop(ctx context.Context, timeout time.Duration) error {
	return c.p.stop(ctx, timeout)
}
