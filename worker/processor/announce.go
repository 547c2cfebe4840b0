package processor

import (
	"context"
	"maps"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// announceTimeout bounds one announcement.
const announceTimeout = 5 * time.Second

// weight is how much the newest run counts in the average of run times.
const weight = 0.2

// measure takes the duration of a successful attempt into the average of its kind.
func (p *Processor) measure(kind job.Kind, run time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seconds[kind] == 0 {
		// The first measurement is news to everybody who waits for an estimate.
		p.seconds[kind] = run.Seconds()
		p.tellNow()
		return
	}
	p.seconds[kind] += weight * (run.Seconds() - p.seconds[kind])
}

// announce tells the others about this worker, again and again, and takes it back at the end.
func (p *Processor) announce(ctx context.Context) {
	ticker := time.NewTicker(queue.AnnounceEvery)
	defer ticker.Stop()
	for {
		if err := p.announceOnce(ctx); err != nil {
			p.log.DebugContext(ctx, "worker not announced", "error", err)
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
		p.log.DebugContext(ctx, "worker not withdrawn", "error", err)
	}
}

func (p *Processor) announceOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	p.mu.Lock()
	seconds := maps.Clone(p.seconds)
	p.mu.Unlock()
	return p.queue.Announce(ctx, queue.Worker{
		ID: p.id, Version: p.version, Mode: p.mode, StartedAt: job.At(p.started), Slots: p.cfg.slots(), RunSeconds: seconds,
	})
}

// tellNow announces the worker ahead of time.
func (p *Processor) tellNow() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}
