package feedback

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// claim keeps a member from giving feedback again until a time.
type claim struct {
	V     int      `json:"v"`
	Until job.Time `json:"until"`
	// ID is the ID of the feedback.
	ID string `json:"id"`
}

const (
	// claimMargin is how long a claim is stored beyond its end, because clocks differ.
	claimMargin = time.Minute
	// releaseTimeout bounds how long a caller waits for the release of a claim.
	releaseTimeout = 5 * time.Second
)

func (*claim) ttl() time.Duration { return Every + claimMargin }

// claim blocks further feedback of a member for Every. Of concurrent calls exactly one succeeds; the others return a
// *TooSoonError. It costs two requests.
func (b *Box) claim(ctx context.Context, owner, id string) (next time.Time, err error) {
	e, err := b.claims.Change(ctx, broker.FeedbackClaimSubject(owner), func(e *kv.Entry[claim]) error {
		// A claim that cannot be decoded has no time, so that it does not block the member forever.
		now := b.now()
		if until := e.Value.Until; now.Before(until.Time) {
			return &TooSoonError{until.Time}
		}
		e.Value = claim{job.Version, job.At(now.Add(Every)), id}
		return nil
	})
	if err == nil {
		return e.Value.Until.Time, nil
	}
	if _, tooSoon := errors.AsType[*TooSoonError](err); !tooSoon && !errors.Is(err, kv.ErrConflict) {
		// The claim may be stored though its acknowledgement was lost.
		b.releaseClaim(ctx, owner, id)
	}
	return time.Time{}, err
}

// releaseClaim removes the claim of a piece of feedback. A claim that cannot be removed expires.
func (b *Box) releaseClaim(ctx context.Context, owner, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	e, err := b.claims.Get(ctx, broker.FeedbackClaimSubject(owner))
	if err != nil || e.Value.ID != id {
		return
	}
	_ = b.claims.PurgeRevision(ctx, e.Key, e.Revision)
}

// Next returns the time from which a member may give feedback, which may be in the past. It costs one request.
func (b *Box) Next(ctx context.Context, owner string) (time.Time, error) {
	e, err := b.claims.Get(ctx, broker.FeedbackClaimSubject(owner))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return time.Time{}, err
	}
	return e.Value.Until.Time, nil
}
