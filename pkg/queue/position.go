package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Position returns how many jobs of the same kind and lane are to start before the given one, 0 when it is next.
// It fails with ErrNotFound when the job has left the queue. It costs two requests.
func (q *Queue) Position(ctx context.Context, e *Entry) (int, error) {
	behind, err := q.behind(ctx, e)
	if err != nil {
		return 0, err
	}
	consumer, err := q.js.Consumer(ctx, broker.StreamJobs, broker.ConsumerName(e.Spec.Kind, e.Spec.Lane))
	if err != nil {
		return 0, fmt.Errorf("ask for the queue's depth: %w", err)
	}
	// Consumer has just asked for the information; the cached copy is as fresh as can be had.
	waiting := consumer.CachedInfo().NumPending
	if waiting <= behind+1 {
		return 0, nil
	}
	position := waiting - behind - 1
	const most = 1 << 30
	return int(min(position, most)), nil
}

// behind returns how many messages of the same kind and lane come after the given one. A direct get that asks for a
// batch of one by subject carries the number in a header.
func (q *Queue) behind(ctx context.Context, e *Entry) (uint64, error) {
	req, err := json.Marshal(map[string]any{
		"seq": e.Sequence, "batch": 1, "next_by_subj": broker.LaneSubject(e.Spec.Kind, e.Spec.Lane),
	})
	if err != nil {
		return 0, fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	msg, err := q.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+broker.StreamJobs, req)
	if err != nil {
		return 0, fmt.Errorf("ask for messages behind: %w", err)
	}
	if msg.Header.Get("Nats-Sequence") != strconv.FormatUint(e.Sequence, 10) {
		return 0, ErrNotFound
	}
	behind, err := strconv.ParseUint(msg.Header.Get("Nats-Num-Pending"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read messages behind: %w", err)
	}
	return behind, nil
}

// LaneState is how much waits in a kind and lane.
type LaneState struct {
	Kind job.Kind
	Lane job.Lane
	// Waiting jobs have never been handed out; InHand ones run or wait for another try.
	Waiting, InHand int
	// OldestAge is of the oldest job, waiting or in hand; 0 when there is none.
	OldestAge time.Duration
}

// States returns the state of every kind and lane, for metrics and health. It costs two requests for each.
func (q *Queue) States(ctx context.Context) ([]LaneState, error) {
	var states []LaneState
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			state, err := q.state(ctx, kind, lane)
			if err != nil {
				return nil, err
			}
			states = append(states, state)
		}
	}
	return states, nil
}

// Depth returns how many jobs of a kind and lane have never been handed out, and how many run or wait for another try.
// It costs one request.
func (q *Queue) Depth(ctx context.Context, kind job.Kind, lane job.Lane) (waiting, inHand int, err error) {
	consumer, err := q.js.Consumer(ctx, broker.StreamJobs, broker.ConsumerName(kind, lane))
	if err != nil {
		return 0, 0, fmt.Errorf("ask for the queue's depth: %w", err)
	}
	info := consumer.CachedInfo()
	return int(min(info.NumPending, 1<<30)), info.NumAckPending, nil
}

func (q *Queue) state(ctx context.Context, kind job.Kind, lane job.Lane) (LaneState, error) {
	waiting, inHand, err := q.Depth(ctx, kind, lane)
	if err != nil {
		return LaneState{}, err
	}
	state := LaneState{Kind: kind, Lane: lane, Waiting: waiting, InHand: inHand}
	first, err := q.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(broker.LaneSubject(kind, lane)))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, nats.ErrNoResponders):
		return state, nil
	case err != nil:
		return LaneState{}, fmt.Errorf("ask for the oldest job: %w", err)
	}
	state.OldestAge = max(0, time.Since(first.Time))
	return state, nil
}
