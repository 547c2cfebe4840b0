//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// victims are children of which a fault takes one, or all.
type victims func(ctx context.Context, d *rand.Rand) []*process

func (t *trouble) apis(context.Context, *rand.Rand) []*process { return t.plant.apis }

func (t *trouble) workers(context.Context, *rand.Rand) []*process { return t.plant.workers }

func (t *trouble) everything(context.Context, *rand.Rand) []*process { return t.plant.all() }

// programs are what talks to NATS.
func (t *trouble) programs(context.Context, *rand.Rand) []*process {
	return append(slices.Clone(t.plant.apis), t.plant.workers...)
}

// node is the nats-server that leads the jobs, two times out of three, or any.
func (t *trouble) node(ctx context.Context, d *rand.Rand) []*process {
	if d.IntN(3) > 0 {
		if n := t.plant.leader(ctx, broker.StreamJobs); n != nil {
			return []*process{n.process}
		}
	}
	return []*process{t.plant.nodes[d.IntN(len(t.plant.nodes))].process}
}

// quorum is as many nats-servers as a cluster cannot do without.
func (t *trouble) quorum(_ context.Context, d *rand.Rand) []*process {
	var some []*process
	for _, i := range d.Perm(len(t.plant.nodes))[:len(t.plant.nodes)/2+1] {
		some = append(some, t.plant.nodes[i].process)
	}
	return some
}

// on does something to one of the victims, if there is one that nobody disturbs.
func (t *trouble) on(from victims, do func(context.Context, *rand.Rand, *process)) act {
	return func(ctx context.Context, d *rand.Rand) bool {
		all := from(ctx, d)
		for _, i := range d.Perm(len(all)) {
			if all[i].take() {
				defer all[i].give()
				do(ctx, d, all[i])
				return true
			}
		}
		return false
	}
}

// onAll does something to all victims together, unless one of them is disturbed already.
func (t *trouble) onAll(from victims, do func(context.Context, *rand.Rand, []*process)) act {
	return func(ctx context.Context, d *rand.Rand) bool {
		all := from(ctx, d)
		for _, c := range all {
			if !c.take() {
				return false
			}
			defer c.give()
		}
		do(ctx, d, all)
		return true
	}
}
