package spend

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// markDays is for how many days after the end of a job its mark is kept: for longer than any process may repeat the end.
	markDays = 3
	// sweptDays is how many days before these are swept, in case nothing was for a while. Older marks expire with the stream.
	sweptDays = 7
	// sweepInterval is the pause between two sweeps, and sweepTimeout bounds one.
	sweepInterval = time.Hour
	sweepTimeout  = time.Minute
)

// Erase removes what the jobs of an owner have cost. It is idempotent and costs three requests.
func (c *Counters) Erase(ctx context.Context, owner string) error {
	return c.purge(ctx, broker.OwnerSpendSubject(owner), broker.SpendBudgetsSubject(owner))
}

func (c *Counters) purge(ctx context.Context, subjects ...string) error {
	stream, err := c.broker.JetStream().Stream(ctx, broker.StreamSpend)
	for _, subject := range subjects {
		if err == nil {
			err = stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
	}
	if err != nil {
		return fmt.Errorf("remove counters of costs: %w", err)
	}
	return nil
}

// Sweep removes the marks of jobs that have ended more than three days ago. It is idempotent and costs eight requests.
func (c *Counters) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	var subjects []string
	for n := range sweptDays {
		subjects = append(subjects, broker.SpendMarksSubject(job.DayOf(c.now().AddDate(0, 0, -markDays-1-n))))
	}
	return c.purge(ctx, subjects...)
}

// Sweeper removes old marks once an hour. Every API process runs one.
type Sweeper struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

// StartSweeper starts a sweeper, until Stop.
func StartSweeper(c *Counters, log *slog.Logger) *Sweeper {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sweeper{stop: stop}
	s.done.Go(func() {
		for {
			if err := c.Sweep(ctx); err != nil && ctx.Err() == nil {
				log.WarnContext(ctx, "cannot remove the marks of counted jobs", slog.Any("error", err))
			}
			if !lifecycle.Sleep(ctx, sweepInterval) {
				return
			}
		}
	})
	return s
}

// Stop stops the sweeper.
func (s *Sweeper) Stop(context.Context) error {
	s.stop()
	s.done.Wait()
	return nil
}
