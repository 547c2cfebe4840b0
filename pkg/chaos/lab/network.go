//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

func (inj *injector) cut(_ context.Context, _ *rand.Rand, c *process) { cutAll(c.natsLines) }

// hold stalls one or both directions between a program and NATS for a while. The data held arrives late or never.
func (inj *injector) hold(ctx context.Context, rng *rand.Rand, c *process) {
	which := rng.IntN(3)
	w := proxy.Faults{HoldRequests: which != 1, HoldResponses: which != 0}
	disturb(ctx, c.natsLines, w, between(rng, time.Second, 20*time.Second), rng.IntN(2) == 0)
}

func (inj *injector) slow(ctx context.Context, rng *rand.Rand, c *process) {
	w := proxy.Faults{Delay: between(rng, 20*time.Millisecond, 800*time.Millisecond)}
	disturb(ctx, c.natsLines, w, between(rng, time.Second, 8*time.Second), false)
}

// cutClients loses responses to clients.
func (inj *injector) cutClients(ctx context.Context, rng *rand.Rand, c *process) {
	disturb(ctx, c.clientLines, proxy.Faults{HoldResponses: true}, between(rng, 50*time.Millisecond, time.Second), true)
}

// disturb applies w to lines for a while and, if cut is set, resets their connections at the end.
func disturb(ctx context.Context, lines []*proxy.Proxy, w proxy.Faults, during time.Duration, cut bool) {
	setAll(lines, w)
	lifecycle.Sleep(ctx, during)
	if cut {
		cutAll(lines)
	}
	setAll(lines, proxy.Faults{})
}

func cutAll(lines []*proxy.Proxy) {
	for _, line := range lines {
		line.Cut()
	}
}

func setAll(lines []*proxy.Proxy, w proxy.Faults) {
	for _, line := range lines {
		line.Set(w)
	}
}

// strand delivers what a program has sent only after it has reconnected and continued.
func (inj *injector) strand(ctx context.Context, rng *rand.Rand, c *process) {
	var stranded []*proxy.Stranded
	for _, line := range c.natsLines {
		stranded = append(stranded, line.Strand())
	}
	lifecycle.Sleep(ctx, between(rng, 100*time.Millisecond, 3*time.Second))
	for _, s := range stranded {
		s.Abandon()
	}
	lifecycle.Sleep(ctx, between(rng, 100*time.Millisecond, 9*time.Second))
	for _, s := range stranded {
		s.Release()
	}
}
