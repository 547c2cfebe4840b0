package feedback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// mark is what lies beside feedback that was processed. That it is there says everything.
type mark struct {
	V int `json:"v"`
}

// Mark gives a piece of feedback a status, which it may have already. It fails with ErrNotFound and ErrFull, and costs at
// most three requests.
func (b *Box) Mark(ctx context.Context, id string, status Status) (*Entry, error) {
	e, err := b.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return b.mark(ctx, e, status)
}

func (b *Box) mark(ctx context.Context, e *Entry, status Status) (*Entry, error) {
	if e.Status = status; status == Pending {
		return e, b.purge(ctx, broker.FeedbackDoneSubject(e.Owner, e.ID))
	}
	// Nothing is marked twice: NATS does not write down that a mark gave way to another, so when it is killed behind the
	// removal of the second one it finds the first one in its files.
	if there, err := b.isDone(ctx, e); err != nil || there {
		return e, err
	}
	// Under the condition that the feedback is still there: no mark must stay behind that belongs to nothing.
	err := b.setDone(ctx, e, jetstream.WithExpectLastSequenceForSubject(e.sequence, e.subject()))
	if errors.Is(err, errConflict) {
		return nil, ErrNotFound
	}
	return e, err
}

// isDone reports whether a piece of feedback is marked as processed.
func (b *Box) isDone(ctx context.Context, e *Entry) (bool, error) {
	_, err := broker.LeaderLast(ctx, b.js, broker.FeedbackStream, broker.FeedbackDoneSubject(e.Owner, e.ID))
	if ignoreMissing(err) != nil {
		return false, fmt.Errorf("read mark: %w", err)
	}
	return err == nil, nil
}

func (b *Box) setDone(ctx context.Context, e *Entry, options ...jetstream.PublishOpt) error {
	data, err := json.Marshal(mark{job.Version})
	if err != nil {
		return fmt.Errorf("encode mark: %w", err)
	}
	if _, err := b.js.Publish(ctx, broker.FeedbackDoneSubject(e.Owner, e.ID), data, options...); err != nil {
		return published(err)
	}
	return nil
}

// find returns a piece of feedback by its id, from the stream's leader.
func (b *Box) find(ctx context.Context, id string) (*Entry, error) {
	if !job.ValidToken(id) {
		return nil, ErrNotFound
	}
	msg, err := broker.LeaderLast(ctx, b.js, broker.FeedbackStream, broker.FeedbackSubject("", "", "", id))
	if err != nil {
		if ignoreMissing(err) == nil {
			return nil, ErrNotFound
		}
		return nil, fmt.Errorf("read feedback: %w", err)
	}
	if e := entryOf(msg); e != nil {
		return e, nil
	}
	if _, err := decodeEntry(msg.Data); errors.Is(err, job.ErrNewer) {
		return nil, err
	}
	return nil, ErrNotFound
}

func ignoreMissing(err error) error {
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return err
}

// Remove deletes a piece of feedback for good. It fails with ErrNotFound, and costs three requests.
func (b *Box) Remove(ctx context.Context, id string) (*Entry, error) {
	e, err := b.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return e, b.purge(ctx, e.subject(), broker.FeedbackDoneSubject(e.Owner, e.ID))
}

// Erase deletes everything of an owner, with the claim that holds the owner up. It may be repeated, and costs three
// requests.
func (b *Box) Erase(ctx context.Context, owner string) error {
	if !job.ValidToken(owner) {
		return errors.New("erase feedback: not an owner")
	}
	return b.purge(ctx, broker.FeedbackSubject("", "", owner, ""), broker.FeedbackDonesSubject(owner), broker.FeedbackClaimSubject(owner))
}

// purge deletes what lies on subjects, one after the other: a mark after what it belongs to.
func (b *Box) purge(ctx context.Context, subjects ...string) error {
	for _, subject := range subjects {
		if err := b.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("delete feedback: %w", err)
		}
	}
	return nil
}
