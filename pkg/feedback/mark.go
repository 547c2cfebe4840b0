package feedback

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// mark records that feedback was processed. Only its existence matters.
type mark struct {
	V int `json:"v"`
}

// Mark sets the status of a piece of feedback. It is idempotent. It returns ErrNotFound or ErrFull. It costs at most three
// requests.
func (b *Box) Mark(ctx context.Context, id string, status Status) (*Entry, error) {
	e, err := b.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return b.mark(ctx, e, status)
}

func (b *Box) mark(ctx context.Context, e *Entry, status Status) (*Entry, error) {
	if e.Status = status; status == Pending {
		return e, b.marks.Purge(ctx, broker.FeedbackDoneSubject(e.Owner, e.ID))
	}
	// Do not store a second mark: a NATS server that is killed right after its removal may restore the first (see
	// kv.Bucket.Purge).
	if _, err := b.marks.Get(ctx, broker.FeedbackDoneSubject(e.Owner, e.ID)); !errors.Is(err, kv.ErrNotFound) {
		return e, err
	}
	// Store the mark only if the feedback still exists, so that no orphaned mark is left.
	err := b.storeMark(ctx, e, jetstream.WithExpectLastSequenceForSubject(e.sequence, e.subject()))
	if errors.Is(err, kv.ErrConflict) {
		return nil, ErrNotFound
	}
	return e, err
}

func (b *Box) storeMark(ctx context.Context, e *Entry, options ...jetstream.PublishOpt) error {
	_, err := b.marks.Put(ctx, broker.FeedbackDoneSubject(e.Owner, e.ID), mark{job.Version}, options...)
	return err
}

// find returns a piece of feedback by its ID, from the stream's leader, or ErrNotFound.
func (b *Box) find(ctx context.Context, id string) (*Entry, error) {
	if !job.ValidToken(id) {
		return nil, ErrNotFound
	}
	msg, err := broker.LeaderLast(ctx, b.js, broker.FeedbackStream, broker.FeedbackSubject("", "", "", id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read feedback: %w", err)
	}
	e, err := entryOf(msg)
	switch {
	case errors.Is(err, job.ErrNewer):
		return nil, err
	case err != nil:
		return nil, ErrNotFound
	}
	return e, nil
}

// Remove deletes a piece of feedback and returns it, or ErrNotFound. It costs three requests.
func (b *Box) Remove(ctx context.Context, id string) (*Entry, error) {
	e, err := b.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return e, b.purge(ctx, e.subject(), broker.FeedbackDoneSubject(e.Owner, e.ID))
}

// Erase deletes all feedback of an owner and the claim. It is idempotent. It costs three requests.
func (b *Box) Erase(ctx context.Context, owner string) error {
	if !job.ValidToken(owner) {
		return errors.New("erase feedback: invalid owner")
	}
	return b.purge(ctx, broker.FeedbackSubject("", "", owner, ""), broker.FeedbackDonesSubject(owner), broker.FeedbackClaimSubject(owner))
}

// purge removes the messages under subjects in order: callers pass the mark after its entry.
func (b *Box) purge(ctx context.Context, subjects ...string) error {
	for _, subject := range subjects {
		if err := b.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("delete feedback: %w", err)
		}
	}
	return nil
}
