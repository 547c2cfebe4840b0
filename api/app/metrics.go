package app

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// sampleQueue lets each scrape show how much waits and how many dead letters are kept.
func (a *App) sampleQueue() error {
	return errors.Join(
		a.metrics.RegisterQueue(func(ctx context.Context) ([]telemetry.QueueSample, error) {
			states, err := a.queue.States(ctx)
			if err != nil {
				return nil, err
			}
			samples := make([]telemetry.QueueSample, 0, len(states))
			for _, s := range states {
				samples = append(samples, telemetry.QueueSample{
					Kind: string(s.Kind), Lane: string(s.Lane), Depth: s.Waiting, InFlight: s.InHand, OldestAge: s.OldestAge,
				})
			}
			return samples, nil
		}),
		a.metrics.RegisterDeadLetters(a.store.DeadDepth),
	)
}
