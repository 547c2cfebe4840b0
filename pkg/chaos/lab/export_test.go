//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
)

// Order returns the body, the key and the name of the order that dice draw.
func Order(d *rand.Rand, name string) (body []byte, kind, key string, least int) {
	o := newOrder(d, name)
	return o.body, o.kind, o.key, o.least
}

// ReadLog looks through the log of a child called name in a directory.
func ReadLog(dir, name string, book *claims.Book) (busiest int, odd []string) {
	p := &plant{book: book}
	return p.readLogs(&process{name: name, dir: dir})
}

// Child is one process, for tests.
type Child struct{ p *process }

// NewChild prepares a process that runs path.
func NewChild(dir string, died func(string, error), path string, args ...string) (*Child, func()) {
	s := newStarter()
	return &Child{&process{name: "child", path: path, args: args, dir: dir, starter: s, died: died, turn: make(chan struct{}, 1)}}, s.close
}

func (c *Child) Launch() error          { return c.p.launch() }
func (c *Child) Kill() error            { return c.p.kill() }
func (c *Child) Alive() bool            { return c.p.alive() }
func (c *Child) Pause() error           { return c.p.signal(syscall.SIGSTOP, false) }
func (c *Child) Log() string            { return c.p.logPath() }
func (c *Child) Take() bool             { return c.p.take() }
func (c *Child) Give()                  { c.p.give() }
func (c *Child) Ended() <-chan struct{} { return c.p.end() }
func (c *Child) Stop(ctx context.Context, patience time.Duration) error {
	return c.p.stop(ctx, patience)
}
