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

// kill kills a process, in most cases while its connections are slow, so that the crash is likely to fall between two
// writes. Half of the time the data in flight is lost too, as when a machine dies.
func (inj *injector) kill(from targets) injection {
	return inj.on(from, func(ctx context.Context, rng *rand.Rand, c *process) {
		slow, lose := rng.IntN(3) > 0, rng.IntN(2) == 0
		if slow {
			delay, during := between(rng, 100*time.Millisecond, 600*time.Millisecond), between(rng, time.Second, 3*time.Second)
			setAll(c.natsLines, proxy.Faults{Delay: delay})
			defer setAll(c.natsLines, proxy.Faults{})
			lifecycle.Sleep(ctx, during)
		}
		inj.check(c.kill())
		if lose {
			cutAll(c.natsLines)
		}
		kind, _, _ := strings.Cut(c.name, "-")
		inj.onKill("kills of " + kind)
		inj.restart(ctx, c, between(rng, 0, 2*time.Second))
	})
}

// killAll kills several processes at once.
func (inj *injector) killAll(what string, from targets) injection {
	return inj.onAll(from, func(ctx context.Context, rng *rand.Rand, all []*process) {
		for _, c := range all {
			inj.check(c.signal(syscall.SIGKILL, true))
		}
		for _, c := range all {
			<-c.done()
		}
		inj.onKill("kills of " + what)
		lifecycle.Sleep(ctx, between(rng, 0, time.Second))
		for _, c := range all {
			inj.restart(ctx, c, 0)
		}
	})
}

// stop shuts a process down, which may take long while NATS is unavailable.
func (inj *injector) stop(from targets) injection {
	return inj.on(from, func(ctx context.Context, rng *rand.Rand, c *process) {
		inj.check(c.stop(ctx, stopTimeout))
		inj.restart(ctx, c, between(rng, 0, time.Second))
	})
}

func (inj *injector) pause(from targets, longest time.Duration) injection {
	return inj.on(from, func(ctx context.Context, rng *rand.Rand, c *process) {
		inj.check(c.signal(syscall.SIGSTOP, false))
		// Prefer long pauses, which outlast the timeouts of others.
		lifecycle.Sleep(ctx, max(between(rng, time.Second, longest), between(rng, time.Second, longest)))
		inj.check(c.signal(syscall.SIGCONT, false))
	})
}

// fillDisk restarts the nodes with almost no storage left, and with enough again after a while.
func (inj *injector) fillDisk(ctx context.Context, rng *rand.Rand) bool {
	nodes := func(context.Context, *rand.Rand) []*process { return inj.cluster.all()[:len(inj.cluster.nodes)] }
	return inj.onAll(nodes, func(ctx context.Context, rng *rand.Rand, _ []*process) {
		left := 1 + rng.Int64N(256<<10)
		for _, n := range inj.cluster.nodes {
			inj.check(n.kill())
			used, err := n.stored()
			inj.check(err)
			inj.check(n.configure(used + left))
			inj.restart(ctx, n.process, 0)
		}
		lifecycle.Sleep(ctx, between(rng, 3*time.Second, 10*time.Second))
		for _, n := range inj.cluster.nodes {
			inj.check(n.kill())
			inj.check(n.configure(maxStore))
			inj.restart(ctx, n.process, 0)
		}
	})(ctx, rng)
}

// restart starts a process after a delay.
func (inj *injector) restart(ctx context.Context, c *process, delay time.Duration) {
	lifecycle.Sleep(ctx, delay)
	inj.check(c.launch())
}
