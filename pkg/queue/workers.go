package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Worker is what a worker process tells the others about itself.
type Worker struct {
	V         int      `json:"v"`
	ID        string   `json:"id"`
	Version   string   `json:"version"`
	StartedAt job.Time `json:"started_at"`
	// Mode is "simulator" or "live"; a mixture of modes in one installation is a fault.
	Mode string `json:"mode"`
	// Slots is how many jobs of a kind the process works at once.
	Slots map[job.Kind]int `json:"slots"`
	// RunSeconds is how long a job of a kind runs, averaged over the latest ones; a kind that was not worked is absent.
	RunSeconds map[job.Kind]float64 `json:"run_seconds,omitempty"`
	// Failing names the upstreams that have answered this worker with errors alone for a while.
	Failing []string `json:"failing,omitempty"`
}

const (
	// AnnounceEvery is how often a worker announces itself.
	AnnounceEvery = 10 * time.Second
	// announceTTL is how long an announcement holds; a worker that died is forgotten after that.
	announceTTL = 30 * time.Second
)

// Announce tells the others about a worker, for 30 seconds.
func (q *Queue) Announce(ctx context.Context, w Worker) error {
	w.V = job.Version
	data, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("encode worker: %w", err)
	}
	if _, err := q.js.Publish(ctx, broker.WorkerSubject(w.ID), data, jetstream.WithMsgTTL(announceTTL)); err != nil {
		return fmt.Errorf("announce worker: %w", err)
	}
	return nil
}

// Withdraw takes a worker's announcement back.
func (q *Queue) Withdraw(ctx context.Context, id string) error {
	control, err := q.js.Stream(ctx, broker.ControlStream)
	if err != nil {
		return fmt.Errorf("open control: %w", err)
	}
	if err := control.Purge(ctx, jetstream.WithPurgeSubject(broker.WorkerSubject(id))); err != nil {
		return fmt.Errorf("withdraw worker: %w", err)
	}
	return nil
}

// Workers returns the workers that have announced themselves within the last 30 seconds. It costs one request.
func (q *Queue) Workers(ctx context.Context) ([]Worker, error) {
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	messages, err := jetstreamext.GetLastMsgsFor(ctx, q.js, broker.ControlStream, []string{broker.WorkersSubject()})
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	var workers []Worker
	for msg, err := range messages {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return workers, nil
		case err != nil:
			return nil, fmt.Errorf("list workers: %w", err)
		case len(msg.Data) == 0:
			continue
		}
		var w Worker
		if err := json.Unmarshal(msg.Data, &w); err != nil || w.V > job.Version {
			continue
		}
		workers = append(workers, w)
	}
	// The messages end without an error when the time is up.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return workers, nil
}
