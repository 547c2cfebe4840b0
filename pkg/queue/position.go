package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// LanePositions holds queue positions of one kind and lane.
type LanePositions struct {
	// Ahead is, by sequence, how many jobs start before that job, 0 if it is next.
	Ahead map[uint64]int
	// Waiting and InFlight are as in LaneState.
	Waiting, InFlight int
}

// positionsAtOnce bounds the concurrent requests for positions.
const positionsAtOnce = 4

// Positions returns the positions of several jobs of a kind and lane by their sequences. It omits jobs that have left the queue.
// It costs one request for all, and one for each job, but not for one that has thousands ahead and was asked for just before.
func (q *Queue) Positions(ctx context.Context, kind job.Kind, lane job.Lane, sequences []uint64) (*LanePositions, error) {
	began := time.Now()
	positions := &LanePositions{Ahead: make(map[uint64]int, len(sequences))}
	unknown := make([]uint64, 0, len(sequences))
	for _, sequence := range sequences {
		if ahead, ok := q.places.get(sequence, began); ok {
			positions.Ahead[sequence] = ahead
		} else {
			unknown = append(unknown, sequence)
		}
	}
	behind, err := q.behindAll(ctx, kind, lane, unknown)
	if err != nil {
		return nil, err
	}
	if positions.Waiting, positions.InFlight, err = q.Depth(ctx, kind, lane); err != nil {
		return nil, err
	}
	for sequence, ahead := range positions.Ahead {
		positions.Ahead[sequence] = max(0, min(ahead, positions.Waiting-1))
	}
	for sequence, n := range behind {
		ahead := max(0, positions.Waiting-n-1)
		positions.Ahead[sequence] = ahead
		q.places.put(sequence, ahead, began)
	}
	return positions, nil
}

// behindAll returns by sequence how many messages of a kind and lane follow it, without those that have left the queue.
func (q *Queue) behindAll(ctx context.Context, kind job.Kind, lane job.Lane, sequences []uint64) (map[uint64]int, error) {
	behind := make(map[uint64]int, len(sequences))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(positionsAtOnce)
	for _, sequence := range sequences {
		group.Go(func() error {
			n, err := q.behind(ctx, kind, lane, sequence)
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			behind[sequence] = n
			return err
		})
	}
	return behind, group.Wait()
}

// behind returns how many messages of a kind and lane follow the one with a sequence. A direct get of a batch of one by subject
// has the number in a header.
func (q *Queue) behind(ctx context.Context, kind job.Kind, lane job.Lane, sequence uint64) (int, error) {
	req, err := json.Marshal(map[string]any{
		"seq": sequence, "batch": 1, "next_by_subj": broker.LaneSubject(kind, lane),
	})
	if err != nil {
		return 0, fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	msg, err := q.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+broker.StreamJobs, req)
	if err != nil {
		return 0, fmt.Errorf("read messages behind: %w", err)
	}
	if msg.Header.Get("Nats-Sequence") != strconv.FormatUint(sequence, 10) {
		return 0, ErrNotFound
	}
	behind, err := strconv.Atoi(msg.Header.Get("Nats-Num-Pending"))
	if err != nil {
		return 0, fmt.Errorf("read messages behind: %w", err)
	}
	return behind, nil
}

// LaneState is the state of a kind and lane.
type LaneState struct {
	Kind job.Kind
	Lane job.Lane
	// Waiting is how many jobs were never delivered, and InFlight how many are running or wait for another attempt.
	Waiting, InFlight int
	// OldestAge is the age of the oldest job; 0 if there is none.
	OldestAge time.Duration
}

// States returns the states of all kinds and lanes. It costs a request for each, and one or two more for each with jobs.
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

// Depth returns how many jobs of a kind and lane were never delivered, and how many are running or wait for another attempt. It
// costs one request.
func (q *Queue) Depth(ctx context.Context, kind job.Kind, lane job.Lane) (waiting, inFlight int, err error) {
	info, err := q.laneInfo(ctx, kind, lane)
	if err != nil {
		return 0, 0, err
	}
	waiting, inFlight = depthOf(info)
	return waiting, inFlight, nil
}

func (q *Queue) laneInfo(ctx context.Context, kind job.Kind, lane job.Lane) (*jetstream.ConsumerInfo, error) {
	consumer, err := q.js.Consumer(ctx, broker.StreamJobs, broker.ConsumerName(kind, lane))
	if err != nil {
		return nil, fmt.Errorf("read depth of queue: %w", err)
	}
	// Consumer has just fetched the information.
	return consumer.CachedInfo(), nil
}

func depthOf(info *jetstream.ConsumerInfo) (waiting, inFlight int) {
	return int(min(info.NumPending, 1<<30)), info.NumAckPending
}

func (q *Queue) state(ctx context.Context, kind job.Kind, lane job.Lane) (LaneState, error) {
	info, err := q.laneInfo(ctx, kind, lane)
	if err != nil {
		return LaneState{}, err
	}
	state := LaneState{Kind: kind, Lane: lane}
	if state.Waiting, state.InFlight = depthOf(info); state.Waiting+state.InFlight == 0 {
		return state, nil
	}
	// The first message that the lane has not done with is mostly its own. To find it by its subject, NATS looks at all subjects of the
	// lane, as many as there are jobs.
	subject := broker.LaneSubject(kind, lane)
	first, err := q.stream.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(">"))
	if err == nil && !strings.HasPrefix(first.Subject, strings.TrimSuffix(subject, ">")) {
		first, err = q.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
	}
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, nats.ErrNoResponders):
		return state, nil
	case err != nil:
		return LaneState{}, fmt.Errorf("read the oldest job: %w", err)
	}
	state.OldestAge = max(0, time.Since(first.Time))
	return state, nil
}
