//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
)

// fault is one kind of trouble. It takes its victim, makes the trouble, ends it, and reports whether it found a victim.
// When ctx ends it makes everything good at once.
type fault struct {
	weight int
	make   func(ctx context.Context, t *trouble, dice *rand.Rand) bool
}

// faultKinds returns every kind of fault by name.
func faultKinds() map[string]fault {
	return map[string]fault{
		"kill api":        {3, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.kill(ctx, d, t.plant.apis) }},
		"kill worker":     {4, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.kill(ctx, d, t.plant.workers) }},
		"kill nats":       {4, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.kill(ctx, d, t.someNode(ctx, d)) }},
		"kill everything": {1, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.killAll(ctx, d) }},
		"stop api":        {1, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.stop(ctx, d, t.plant.apis) }},
		"stop worker":     {2, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.stop(ctx, d, t.plant.workers) }},
		"stop nats":       {1, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.stop(ctx, d, t.someNode(ctx, d)) }},
		"pause api":       {1, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.pause(ctx, d, t.plant.apis, 6) }},
		"pause worker":    {2, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.pause(ctx, d, t.plant.workers, 20) }},
		"pause nats": {2, func(ctx context.Context, t *trouble, d *rand.Rand) bool {
			return t.pause(ctx, d, t.someNode(ctx, d), 8)
		}},
		"cut line to nats":  {2, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.cut(ctx, d, t.programs()) }},
		"hold line to nats": {3, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.hold(ctx, d, t.programs()) }},
		"slow line to nats": {1, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.slow(ctx, d, t.programs()) }},
		"strand messages":   {2, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.strand(ctx, d, t.programs()) }},
		"cut clients off":   {3, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.cutClients(ctx, d) }},
		"storm upstream":    {3, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.storm(ctx, d) }},
		"fill the disk":     {1, func(ctx context.Context, t *trouble, d *rand.Rand) bool { return t.fill(ctx, d) }},
	}
}

// trouble makes faults and counts them.
type trouble struct {
	plant *plant
	// killed is told about each kill, so that the recovery is measured.
	killed func(what string)

	storming chan struct{}
	mu       sync.Mutex
	counts   map[string]int
}

// atOnce is how many faults may overlap.
const atOnce = 3

// run makes faults until ctx ends, and returns when all of them are over.
func (t *trouble) run(ctx context.Context) {
	kinds := faultKinds()
	var names []string
	for name, f := range kinds {
		if only := t.plant.cfg.Only; only == "" || only == name {
			names = append(names, slices.Repeat([]string{name}, f.weight)...)
		}
	}
	slices.Sort(names)
	dice := t.plant.cfg.dice(1)
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, atOnce)
	for n := uint64(0); ; n++ {
		name, wait := names[dice.IntN(len(names))], between(dice, 500*time.Millisecond, 3500*time.Millisecond)
		if !sleep(ctx, wait) {
			return
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if kinds[name].make(ctx, t, t.plant.cfg.dice(1000+n)) {
				t.mu.Lock()
				t.counts[name]++
				t.mu.Unlock()
			}
		})
	}
}

// pick takes one of the children that nobody disturbs, or nil.
func pick(d *rand.Rand, from []*process) *process {
	for _, i := range d.Perm(len(from)) {
		if from[i].take() {
			return from[i]
		}
	}
	return nil
}

func (t *trouble) programs() []*process {
	return append(slices.Clone(t.plant.apis), t.plant.workers...)
}

// someNode returns the node that leads the jobs, two times out of three, or any.
func (t *trouble) someNode(ctx context.Context, d *rand.Rand) []*process {
	if d.IntN(3) > 0 {
		if n := t.plant.leader(ctx, broker.StreamJobs); n != nil {
			return []*process{n.process}
		}
	}
	return []*process{t.plant.nodes[d.IntN(len(t.plant.nodes))].process}
}

// again starts a child after a while and waits until it serves.
func (t *trouble) again(ctx context.Context, c *process, after time.Duration) {
	sleep(ctx, after)
	if err := c.launch(); err != nil {
		t.plant.book.Fault("%v", err)
	}
}

func (t *trouble) kill(ctx context.Context, d *rand.Rand, from []*process) bool {
	c := pick(d, from)
	if c == nil {
		return false
	}
	defer c.give()
	t.check(c.kill())
	t.killed(kindOf(c))
	t.again(ctx, c, between(d, 0, 2*time.Second))
	return true
}

// killAll is a power cut that the disks survive.
func (t *trouble) killAll(ctx context.Context, d *rand.Rand) bool {
	return t.killTogether(ctx, d, "everything", t.plant.all())
}

// killMost takes the quorum from a cluster.
func (t *trouble) killMost(ctx context.Context, d *rand.Rand) bool {
	var some []*process
	for _, i := range d.Perm(len(t.plant.nodes))[:len(t.plant.nodes)/2+1] {
		some = append(some, t.plant.nodes[i].process)
	}
	return t.killTogether(ctx, d, "most nats", some)
}

func (t *trouble) killTogether(ctx context.Context, d *rand.Rand, what string, all []*process) bool {
	for i, c := range all {
		if !c.take() {
			for _, taken := range all[:i] {
				taken.give()
			}
			return false
		}
	}
	for _, c := range all {
		t.check(c.signal(syscall.SIGKILL, true))
	}
	for _, c := range all {
		<-c.end()
	}
	t.killed(what)
	sleep(ctx, between(d, 0, time.Second))
	for _, c := range all {
		t.again(ctx, c, 0)
		c.give()
	}
	return true
}

func (t *trouble) stop(ctx context.Context, d *rand.Rand, from []*process) bool {
	c := pick(d, from)
	if c == nil {
		return false
	}
	defer c.give()
	// A child that is asked to end while NATS is away may take its time; that it ends at all is checked when it is fair.
	_, err := c.stop(ctx, stopPatience)
	t.check(err)
	t.again(ctx, c, between(d, 0, time.Second))
	return true
}

func (t *trouble) pause(ctx context.Context, d *rand.Rand, from []*process, seconds int) bool {
	c := pick(d, from)
	if c == nil {
		return false
	}
	defer c.give()
	t.check(c.signal(syscall.SIGSTOP, false))
	sleep(ctx, between(d, time.Second, time.Duration(seconds)*time.Second))
	t.check(c.signal(syscall.SIGCONT, false))
	return true
}

func (t *trouble) cut(_ context.Context, d *rand.Rand, from []*process) bool {
	c := pick(d, from)
	if c == nil {
		return false
	}
	defer c.give()
	for _, line := range c.lines {
		line.Cut()
	}
	return true
}

// hold lets one or both directions between a program and NATS fall silent for a while. What was held arrives late, or
// never.
func (t *trouble) hold(ctx context.Context, d *rand.Rand, from []*process) bool {
	c := pick(d, from)
	if c == nil {
		return false
	}
	defer c.give()
	which := d.IntN(3)
	t.weather(ctx, c.lines, proxy.Weather{HoldRequests: which != 1, HoldAnswers: which != 0}, between(d, time.Second, 20*time.Second), d.IntN(2) == 0)
	return true
}

func (t *trouble) slow(ctx context.Context, d *rand.Rand, from []*process) bool {
	c := pick(d, from)
	if c == nil {
		return false
	}
	defer c.give()
	t.weather(ctx, c.lines, proxy.Weather{Delay: between(d, 20*time.Millisecond, 800*time.Millisecond)}, between(d, time.Second, 8*time.Second), false)
	return true
}

func (t *trouble) weather(ctx context.Context, lines []*proxy.Proxy, w proxy.Weather, during time.Duration, cut bool) {
	for _, line := range lines {
		line.Set(w)
	}
	sleep(ctx, during)
	for _, line := range lines {
		if cut {
			line.Cut()
		}
		line.Set(proxy.Weather{})
	}
}

// strand delivers what a program has sent only after it has connected anew and gone on.
func (t *trouble) strand(ctx context.Context, d *rand.Rand, from []*process) bool {
	c := pick(d, from)
	if c == nil {
		return false
	}
	defer c.give()
	var stranded []*proxy.Stranded
	for _, line := range c.lines {
		stranded = append(stranded, line.Strand())
	}
	sleep(ctx, between(d, 100*time.Millisecond, 3*time.Second))
	for _, s := range stranded {
		s.Abandon()
	}
	sleep(ctx, between(d, 100*time.Millisecond, 9*time.Second))
	for _, s := range stranded {
		s.Release()
	}
	return true
}

// cutClients loses answers on their way to clients.
func (t *trouble) cutClients(ctx context.Context, d *rand.Rand) bool {
	c := pick(d, t.plant.apis)
	if c == nil {
		return false
	}
	defer c.give()
	t.weather(ctx, c.fronts, proxy.Weather{HoldAnswers: true}, between(d, 50*time.Millisecond, time.Second), true)
	return true
}

// fill restarts the nodes with hardly any room left, and with room again after a while.
func (t *trouble) fill(ctx context.Context, d *rand.Rand) bool {
	for i, n := range t.plant.nodes {
		if !n.take() {
			for _, taken := range t.plant.nodes[:i] {
				taken.give()
			}
			return false
		}
	}
	defer func() {
		for _, n := range t.plant.nodes {
			n.give()
		}
	}()
	left := 1 + d.Int64N(256<<10)
	for _, n := range t.plant.nodes {
		t.check(n.kill())
		used, err := n.stored()
		t.check(err)
		t.check(n.configure(used + left))
		t.again(ctx, n.process, 0)
	}
	sleep(ctx, between(d, 3*time.Second, 10*time.Second))
	for _, n := range t.plant.nodes {
		t.check(n.kill())
		t.check(n.configure(plenty))
		t.again(ctx, n.process, 0)
	}
	return true
}

func (t *trouble) check(err error) {
	if err != nil {
		t.plant.book.Fault("%v", err)
	}
}

// kindOf is what a child is, without its number.
func kindOf(c *process) string { return c.name[:len(c.name)-len("-1")] }
