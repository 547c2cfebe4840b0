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

// trouble makes faults and counts them.
type trouble struct {
	plant *plant
	// killed is told about each kill, so that the recovery is measured.
	killed func(what string)

	storming chan struct{}
	mu       sync.Mutex
	counts   map[string]int
}

// fault is one kind of trouble and how often it comes, compared with the others.
type fault struct {
	weight int
	make   act
}

// act takes its victim, makes the trouble, ends it, and reports whether it found a victim. When ctx ends it makes
// everything good at once.
type act func(ctx context.Context, d *rand.Rand) bool

// faults returns every kind of fault by name.
func (t *trouble) faults() map[string]fault {
	return map[string]fault{
		"kill api":          {4, t.kill(t.apis)},
		"kill worker":       {8, t.kill(t.workers)},
		"kill nats":         {6, t.kill(t.node)},
		"kill most nats":    {1, t.killTogether("most nats", t.quorum)},
		"kill everything":   {1, t.killTogether("everything", t.everything)},
		"stop api":          {1, t.stop(t.apis)},
		"stop worker":       {2, t.stop(t.workers)},
		"stop nats":         {1, t.stop(t.node)},
		"pause api":         {1, t.pause(t.apis, 6*time.Second)},
		"pause worker":      {3, t.pause(t.workers, 22*time.Second)},
		"pause nats":        {2, t.pause(t.node, 8*time.Second)},
		"cut line to nats":  {2, t.on(t.programs, t.cut)},
		"hold line to nats": {3, t.on(t.programs, t.hold)},
		"slow line to nats": {4, t.on(t.programs, t.slow)},
		"strand messages":   {2, t.on(t.programs, t.strand)},
		"cut clients off":   {3, t.on(t.apis, t.cutClients)},
		"storm upstream":    {3, t.storm},
		"fill the disk":     {1, t.fill},
	}
}

// faultNames returns the names of all kinds of fault.
func faultNames() []string { return slices.Sorted(maps.Keys(new(trouble).faults())) }

// atOnce is how many faults may overlap.
const atOnce = 3

// run makes faults until ctx ends, and returns when all of them are over.
func (t *trouble) run(ctx context.Context) {
	kinds := t.faults()
	var names []string
	for _, name := range faultNames() {
		if only := t.plant.cfg.Only; only == "" || only == name {
			names = append(names, slices.Repeat([]string{name}, kinds[name].weight)...)
		}
	}
	dice := t.plant.cfg.dice(1)
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, atOnce)
	for n := uint64(0); ; n++ {
		name, wait := names[dice.IntN(len(names))], between(dice, t.plant.cfg.Every/4, t.plant.cfg.Every*7/4)
		if !lifecycle.Sleep(ctx, wait) {
			return
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if kinds[name].make(ctx, t.plant.cfg.dice(1000+n)) {
				t.mu.Lock()
				t.counts[name]++
				t.mu.Unlock()
			}
		})
	}
}

// check enters what the laboratory itself could not do.
func (t *trouble) check(err error) {
	if err != nil {
		t.plant.book.Fault("%v", err)
	}
}
