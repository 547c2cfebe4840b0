package processor

import (
	"context"
	"math"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// announceTimeout bounds one announcement.
const announceTimeout = 5 * time.Second

const (
	// window is the number of runs in a moving average.
	window = 20
	// significantChange is the relative change of an average that is announced at once.
	significantChange = 0.2
)

// runTime is a moving average of how long jobs of a kind run.
type runTime struct {
	seconds float64
	// runs is the number of runs in it, at most window.
	runs int
	// announced is the value of the last registration.
	announced float64
}

// measure adds a successful attempt to the average of its kind. It announces the first one at once, because estimates
// need it, and any significant change.
func (p *Processor) measure(kind job.Kind, run time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.runs[kind]
	a.runs = min(a.runs+1, window)
	a.seconds += (run.Seconds() - a.seconds) / float64(a.runs)
	p.runs[kind] = a
	if math.Abs(a.seconds-a.announced) > significantChange*a.announced {
		p.announceNow()
	}
}

// averages returns the averages for a registration.
func (p *Processor) averages() map[job.Kind]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := make(map[job.Kind]float64, len(p.runs))
	for kind, a := range p.runs {
		a.announced = a.seconds
		p.runs[kind], seconds[kind] = a, a.seconds
	}
	return seconds
}

// announce registers this worker at intervals until ctx ends, and then deregisters it.
func (p *Processor) announce(ctx context.Context) {
	ticker := time.NewTicker(control.HeartbeatInterval)
	defer ticker.Stop()
	for {
		if err := p.announceOnce(ctx); err != nil {
			p.log.DebugContext(ctx, "cannot register the worker", "error", err)
		}
		select {
		case <-ticker.C:
			continue
		case <-p.announceRequested:
			continue
		case <-ctx.Done():
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceTimeout)
	defer cancel()
	if err := p.control.DeregisterWorker(ctx, p.id); err != nil {
		p.log.DebugContext(ctx, "cannot deregister the worker", "error", err)
	}
}

func (p *Processor) announceOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	return p.control.RegisterWorker(ctx, control.Worker{
		ID: p.id, Version: p.version, Mode: p.mode, StartedAt: job.At(p.started), Slots: p.cfg.slots(), RunSeconds: p.averages(),
		Providers: p.providers, Failing: p.breaker.failing(),
	})
}

// announceNow registers the worker again at once.
func (p *Processor) announceNow() {
	select {
	case p.announceRequested <- struct{}{}:
	default:
	}
}
