package control

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// pauseConsumers pauses the consumers of paused kinds and resumes the others. Every process derives the same requests from
// the same state, so their order does not matter.
func (c *Controller) pauseConsumers(ctx context.Context) {
	view, now := c.View(), c.now()
	for _, kind := range job.Kinds() {
		until := view.PausedUntil(kind, now)
		c.mu.Lock()
		last, ok := c.applied[kind]
		c.mu.Unlock()
		// A new process always sends the request, because a crashed one may have left another state.
		if ok && (until.Equal(last) || (until.IsZero() && !now.Before(last))) {
			continue
		}
		if err := c.pauseConsumersOf(ctx, kind, until); err != nil {
			if ctx.Err() == nil {
				c.log.DebugContext(ctx, "cannot pause consumers", "kind", string(kind), "error", err)
			}
			continue
		}
		c.mu.Lock()
		c.applied[kind] = until
		c.mu.Unlock()
	}
}

func (c *Controller) pauseConsumersOf(ctx context.Context, kind job.Kind, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for _, lane := range job.Lanes() {
		consumer := broker.ConsumerName(kind, lane)
		var err error
		if until.IsZero() {
			_, err = c.js.ResumeConsumer(ctx, broker.StreamJobs, consumer)
		} else {
			_, err = c.js.PauseConsumer(ctx, broker.StreamJobs, consumer, until)
		}
		if err != nil {
			return fmt.Errorf("pause %s: %w", kind, err)
		}
	}
	return nil
}

// applySwitches calls onSwitch if the switches in force have changed since the last call.
func (c *Controller) applySwitches() {
	if c.onSwitch == nil {
		return
	}
	set := c.View().InForce(c.now())
	if c.inForce != nil && maps.Equal(set, c.inForce) {
		return
	}
	c.inForce = set
	c.onSwitch(set)
}
