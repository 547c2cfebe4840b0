//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

func (t *trouble) cut(_ context.Context, _ *rand.Rand, c *process) { cutAll(c.lines) }

// hold lets one or both directions between a program and NATS fall silent for a while. What was held arrives late, or
// never.
func (t *trouble) hold(ctx context.Context, d *rand.Rand, c *process) {
	which := d.IntN(3)
	w := proxy.Weather{HoldRequests: which != 1, HoldAnswers: which != 0}
	under(ctx, c.lines, w, between(d, time.Second, 20*time.Second), d.IntN(2) == 0)
}

func (t *trouble) slow(ctx context.Context, d *rand.Rand, c *process) {
	w := proxy.Weather{Delay: between(d, 20*time.Millisecond, 800*time.Millisecond)}
	under(ctx, c.lines, w, between(d, time.Second, 8*time.Second), false)
}

// cutClients loses answers on their way to clients.
func (t *trouble) cutClients(ctx context.Context, d *rand.Rand, c *process) {
	under(ctx, c.fronts, proxy.Weather{HoldAnswers: true}, between(d, 50*time.Millisecond, time.Second), true)
}

// under has a weather on some lines for a while, and cuts them before it ends when that is wanted.
func under(ctx context.Context, lines []*proxy.Proxy, w proxy.Weather, during time.Duration, cut bool) {
	setAll(lines, w)
	lifecycle.Sleep(ctx, during)
	if cut {
		cutAll(lines)
	}
	setAll(lines, proxy.Weather{})
}

func cutAll(lines []*proxy.Proxy) {
	for _, line := range lines {
		line.Cut()
	}
}

func setAll(lines []*proxy.Proxy, w proxy.Weather) {
	for _, line := range lines {
		line.Set(w)
	}
}

// strand delivers what a program has sent only after it has connected anew and gone on.
func (t *trouble) strand(ctx context.Context, d *rand.Rand, c *process) {
	var stranded []*proxy.Stranded
	for _, line := range c.lines {
		stranded = append(stranded, line.Strand())
	}
	lifecycle.Sleep(ctx, between(d, 100*time.Millisecond, 3*time.Second))
	for _, s := range stranded {
		s.Abandon()
	}
	lifecycle.Sleep(ctx, between(d, 100*time.Millisecond, 9*time.Second))
	for _, s := range stranded {
		s.Release()
	}
}
