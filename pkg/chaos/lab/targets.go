//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// targets selects the processes that a fault may affect.
type targets func(ctx context.Context, rng *rand.Rand) []*process

func (inj *injector) apis(context.Context, *rand.Rand) []*process { return inj.cluster.apis }

func (inj *injector) workers(context.Context, *rand.Rand) []*process { return inj.cluster.workers }

func (inj *injector) allProcesses(context.Context, *rand.Rand) []*process { return inj.cluster.all() }

// programs returns the APIs and workers.
func (inj *injector) programs(context.Context, *rand.Rand) []*process {
	return append(slices.Clone(inj.cluster.apis), inj.cluster.workers...)
}

// node returns the leader of the job stream two times out of three, otherwise any nats-server.
func (inj *injector) node(ctx context.Context, rng *rand.Rand) []*process {
	if rng.IntN(3) > 0 {
		if n := inj.cluster.leader(ctx, broker.StreamJobs); n != nil {
			return []*process{n.process}
		}
	}
	return []*process{inj.cluster.nodes[rng.IntN(len(inj.cluster.nodes))].process}
}

// quorum returns a majority of the nats-servers.
func (inj *injector) quorum(_ context.Context, rng *rand.Rand) []*process {
	var some []*process
	for _, i := range rng.Perm(len(inj.cluster.nodes))[:len(inj.cluster.nodes)/2+1] {
		some = append(some, inj.cluster.nodes[i].process)
	}
	return some
}

// on applies do to a random target that no other fault affects.
func (inj *injector) on(from targets, do func(context.Context, *rand.Rand, *process)) injection {
	return func(ctx context.Context, rng *rand.Rand) bool {
		all := from(ctx, rng)
		for _, i := range rng.Perm(len(all)) {
			if all[i].tryLock() {
				defer all[i].unlock()
				do(ctx, rng, all[i])
				return true
			}
		}
		return false
	}
}

// onAll applies do to all targets together, unless another fault affects one of them.
func (inj *injector) onAll(from targets, do func(context.Context, *rand.Rand, []*process)) injection {
	return func(ctx context.Context, rng *rand.Rand) bool {
		all := from(ctx, rng)
		for _, c := range all {
			if !c.tryLock() {
				return false
			}
			defer c.unlock()
		}
		do(ctx, rng, all)
		return true
	}
}
