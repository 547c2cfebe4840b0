package processor

import (
	"context"
	"math"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// announceTimeout bounds one announcement.
const announceTimeout = 5 * time.Second

const (
	// averaged is of how many runs the latest average is made, roughly: the newest one counts for so large a part.
	averaged = 20
	// moved is the part by which an average has to change to be told ahead of time.
	moved = 0.2
)

// average is how long jobs of a kind run, lately.
type average struct {
	seconds float64
	// runs counts the runs in it, up to averaged.
	runs int
	// told is what was announced.
	told float64
}

// measure takes the duration of a successful attempt into the average of its kind. The first one is news to everybody
// who waits for an estimate, and so is an average that has changed by much.
func (p *Processor) measure(kind job.Kind, run time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.runs[kind]
	a.runs = min(a.runs+1, averaged)
	a.seconds += (run.Seconds() - a.seconds) / float64(a.runs)
	p.runs[kind] = a
	if math.Abs(a.seconds-a.told) > moved*a.told {
		p.tellNow()
	}
}

// told returns the averages as they are announced.
func (p *Processor) told() map[job.Kind]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := make(map[job.Kind]float64, len(p.runs))
	for kind, a := range p.runs {
		a.told = a.seconds
		p.runs[kind], seconds[kind] = a, a.seconds
	}
	return seconds
}

// announce tells the others about this worker, again and again, and takes it back at the end.
func (p *Processor) announce(ctx context.Context) {
	ticker := time.NewTicker(queue.AnnounceEvery)
	defer ticker.Stop()
	for {
		if err := p.announceOnce(ctx); err != nil {
			p.log.DebugContext(ctx, "cannot register the worker", "error", err)
		}
		select {
		case <-ticker.C:
			continue
		case <-p.news:
			continue
		case <-ctx.Done():
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceTimeout)
	defer cancel()
	if err := p.queue.Withdraw(ctx, p.id); err != nil {
		p.log.DebugContext(ctx, "cannot deregister the worker", "error", err)
	}
}

func (p *Processor) announceOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	return p.queue.Announce(ctx, queue.Worker{
		ID: p.id, Version: p.version, Mode: p.mode, StartedAt: job.At(p.started), Slots: p.cfg.slots(), RunSeconds: p.told(),
		Failing: p.breaker.failing(),
	})
}

// tellNow announces the worker ahead of time.
func (p *Processor) tellNow() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}
