//go:build unix

package lab

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// injector injects faults and counts them.
type injector struct {
	cluster *cluster
	audit   *audit
	// onKill is called after each kill, to measure the recovery.
	onKill func(what string)

	upstreamBusy chan struct{}
	mu           sync.Mutex
	counts       map[string]int
	losses       losses
}

// fault is one kind of fault and its relative frequency.
type fault struct {
	weight int
	inject injection
}

// injection injects a fault, ends it, and reports whether it found a target. When ctx ends it undoes the fault at once.
type injection func(ctx context.Context, rng *rand.Rand) bool

// faults returns all kinds of faults by name.
func (inj *injector) faults(c *Config) map[string]fault {
	if c.embedded() {
		return map[string]fault{
			"cut the power":   {6, inj.on(inj.apis, inj.cutPower)},
			"kill api":        {2, inj.kill(inj.apis)},
			"stop api":        {1, inj.stop(inj.apis)},
			"pause api":       {1, inj.pause(inj.apis, 6*time.Second)},
			"cut clients off": {3, inj.on(inj.apis, inj.cutClients)},
			"storm upstream":  {2, inj.upstreamFaults},
		}
	}
	return map[string]fault{
		"kill api":          {4, inj.kill(inj.apis)},
		"kill worker":       {8, inj.kill(inj.workers)},
		"kill nats":         {6, inj.kill(inj.node)},
		"kill most nats":    {1, inj.killAll("most nats", inj.quorum)},
		"kill everything":   {1, inj.killAll("everything", inj.allProcesses)},
		"stop api":          {1, inj.stop(inj.apis)},
		"stop worker":       {2, inj.stop(inj.workers)},
		"stop nats":         {1, inj.stop(inj.node)},
		"pause api":         {1, inj.pause(inj.apis, 6*time.Second)},
		"pause worker":      {3, inj.pause(inj.workers, 22*time.Second)},
		"pause nats":        {2, inj.pause(inj.node, 8*time.Second)},
		"cut line to nats":  {2, inj.on(inj.programs, inj.cut)},
		"hold line to nats": {3, inj.on(inj.programs, inj.hold)},
		"slow line to nats": {4, inj.on(inj.programs, inj.slow)},
		"strand messages":   {2, inj.on(inj.programs, inj.strand)},
		"cut clients off":   {3, inj.on(inj.apis, inj.cutClients)},
		"storm upstream":    {3, inj.upstreamFaults},
		"fill the disk":     {1, inj.fillDisk},
	}
}

// faultNames returns the names of all kinds of faults.
func (c *Config) faultNames() []string { return slices.Sorted(maps.Keys(new(injector).faults(c))) }

// maxConcurrent is how many faults may overlap.
const maxConcurrent = 3

// run injects faults until ctx ends, and returns when all of them are over.
func (inj *injector) run(ctx context.Context) {
	cfg := &inj.cluster.cfg
	kinds := inj.faults(cfg)
	var names []string
	for _, name := range cfg.faultNames() {
		if only := cfg.Only; only == "" || only == name {
			names = append(names, slices.Repeat([]string{name}, kinds[name].weight)...)
		}
	}
	random := cfg.rng(1)
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, maxConcurrent)
	for n := uint64(0); ; n++ {
		name, wait := names[random.IntN(len(names))], between(random, cfg.Every/4, cfg.Every*7/4)
		if !lifecycle.Sleep(ctx, wait) {
			return
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if kinds[name].inject(ctx, cfg.rng(1000+n)) {
				inj.mu.Lock()
				inj.counts[name]++
				inj.mu.Unlock()
			}
		})
	}
}

// check reports a failure of the test itself.
func (inj *injector) check(err error) {
	if err != nil {
		inj.cluster.model.Violation("%v", err)
	}
}
