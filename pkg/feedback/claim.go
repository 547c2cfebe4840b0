package feedback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// claim keeps a member from giving feedback again until a moment.
type claim struct {
	V     int      `json:"v"`
	Until job.Time `json:"until"`
	// ID is of the feedback that it was made for.
	ID string `json:"id"`
}

const (
	// lingers is for how much longer than it counts a claim is kept, so that clocks that differ do not end it early.
	lingers = time.Minute
	// maxTries bounds how often a claim is tried again because the one before it ended meanwhile.
	maxTries = 5
	// unclaimTimeout bounds giving a claim back, for which a caller is not asked to wait any longer.
	unclaimTimeout = 5 * time.Second
)

// claim takes the right of a member to give feedback, for Every. Of many at once exactly one gets it; the others fail
// with a *TooSoonError. It costs two requests.
func (b *Box) claim(ctx context.Context, owner, id string) (next time.Time, err error) {
	for range maxTries {
		held, revision, err := b.readClaim(ctx, owner)
		if err != nil {
			return time.Time{}, err
		}
		now := b.now()
		if held != nil && now.Before(held.Until.Time) {
			return time.Time{}, &TooSoonError{held.Until.Time}
		}
		until := job.At(now.Add(Every))
		data, err := json.Marshal(claim{job.Version, until, id})
		if err != nil {
			return time.Time{}, fmt.Errorf("encode claim: %w", err)
		}
		_, err = b.js.Publish(ctx, broker.FeedbackClaimSubject(owner), data,
			jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithMsgTTL(Every+lingers))
		if err == nil {
			return until.Time, nil
		}
		if err = published(err); !errors.Is(err, errConflict) {
			// It may have been stored, and its answer lost.
			b.unclaim(ctx, owner, id)
			return time.Time{}, err
		}
	}
	return time.Time{}, fmt.Errorf("claim feedback: %w", errConflict)
}

// unclaim gives a claim back, unless it has passed to another piece of feedback. What cannot be given back ends by itself.
func (b *Box) unclaim(ctx context.Context, owner, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unclaimTimeout)
	defer cancel()
	held, revision, err := b.readClaim(ctx, owner)
	if err != nil || held == nil || held.ID != id {
		return
	}
	_ = b.stream.Purge(ctx, jetstream.WithPurgeSubject(broker.FeedbackClaimSubject(owner)), jetstream.WithPurgeSequence(revision+1))
}

// Next returns when a member may give feedback, which is past when that is now. It costs one request.
func (b *Box) Next(ctx context.Context, owner string) (time.Time, error) {
	held, _, err := b.readClaim(ctx, owner)
	if err != nil || held == nil {
		return time.Time{}, err
	}
	return held.Until.Time, nil
}

// readClaim returns the claim of a member, or nil, and its revision, from the stream's leader. The mark of an expired
// one is none, and neither is what cannot be read: it must not hold a member up for ever.
func (b *Box) readClaim(ctx context.Context, owner string) (*claim, uint64, error) {
	msg, err := broker.LeaderLast(ctx, b.js, broker.FeedbackStream, broker.FeedbackClaimSubject(owner))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("read claim: %w", err)
	}
	var held claim
	if json.Unmarshal(msg.Data, &held) != nil {
		return nil, msg.Sequence, nil
	}
	return &held, msg.Sequence, nil
}
