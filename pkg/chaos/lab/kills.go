//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// kill kills a child, mostly while its lines are slow: the moments between two writes, in which a crash does most harm, then
// are long. What was under way is lost with the child every other time, as when the machine dies.
func (t *trouble) kill(from victims) act {
	return t.on(from, func(ctx context.Context, d *rand.Rand, c *process) {
		slow, lose := d.IntN(3) > 0, d.IntN(2) == 0
		if slow {
			delay, during := between(d, 100*time.Millisecond, 600*time.Millisecond), between(d, time.Second, 3*time.Second)
			setAll(c.lines, proxy.Weather{Delay: delay})
			defer setAll(c.lines, proxy.Weather{})
			lifecycle.Sleep(ctx, during)
		}
		t.check(c.kill())
		if lose {
			cutAll(c.lines)
		}
		kind, _, _ := strings.Cut(c.name, "-")
		t.killed(kind)
		t.again(ctx, c, between(d, 0, 2*time.Second))
	})
}

// killTogether is a power cut that the disks survive.
func (t *trouble) killTogether(what string, from victims) act {
	return t.onAll(from, func(ctx context.Context, d *rand.Rand, all []*process) {
		for _, c := range all {
			t.check(c.signal(syscall.SIGKILL, true))
		}
		for _, c := range all {
			<-c.end()
		}
		t.killed(what)
		lifecycle.Sleep(ctx, between(d, 0, time.Second))
		for _, c := range all {
			t.again(ctx, c, 0)
		}
	})
}

// stop asks a child to end, which may take its time while NATS is away.
func (t *trouble) stop(from victims) act {
	return t.on(from, func(ctx context.Context, d *rand.Rand, c *process) {
		t.check(c.stop(ctx, stopPatience))
		t.again(ctx, c, between(d, 0, time.Second))
	})
}

func (t *trouble) pause(from victims, longest time.Duration) act {
	return t.on(from, func(ctx context.Context, d *rand.Rand, c *process) {
		t.check(c.signal(syscall.SIGSTOP, false))
		// Long pauses count most: they outlast what others wait for.
		lifecycle.Sleep(ctx, max(between(d, time.Second, longest), between(d, time.Second, longest)))
		t.check(c.signal(syscall.SIGCONT, false))
	})
}

// fill restarts the nodes with hardly any room left, and with room again after a while.
func (t *trouble) fill(ctx context.Context, d *rand.Rand) bool {
	nodes := func(context.Context, *rand.Rand) []*process { return t.plant.all()[:len(t.plant.nodes)] }
	return t.onAll(nodes, func(ctx context.Context, d *rand.Rand, _ []*process) {
		left := 1 + d.Int64N(256<<10)
		for _, n := range t.plant.nodes {
			t.check(n.kill())
			used, err := n.stored()
			t.check(err)
			t.check(n.configure(used + left))
			t.again(ctx, n.process, 0)
		}
		lifecycle.Sleep(ctx, between(d, 3*time.Second, 10*time.Second))
		for _, n := range t.plant.nodes {
			t.check(n.kill())
			t.check(n.configure(plenty))
			t.again(ctx, n.process, 0)
		}
	})(ctx, d)
}

// again starts a child after a while.
func (t *trouble) again(ctx context.Context, c *process, after time.Duration) {
	lifecycle.Sleep(ctx, after)
	t.check(c.launch())
}
