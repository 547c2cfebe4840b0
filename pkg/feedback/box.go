package feedback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Every is how often one member may give feedback.
const Every = 10 * time.Minute

var (
	// ErrNotFound is returned for feedback that does not exist.
	ErrNotFound = errors.New("no such feedback")
	// ErrFull is returned when the store takes no more.
	ErrFull = errors.New("the store is full")
)

// TooSoonError is returned to a member who gave feedback within Every.
type TooSoonError struct {
	// Next is when the member may give feedback again.
	Next time.Time
}

// Error says no more than that it was too soon.
func (*TooSoonError) Error() string { return "feedback was given a short while ago" }

// Box is where all feedback lies.
type Box struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	now    func() time.Time
	// batch is how many entries get their status at once.
	batch int
}

// Option changes a new Box.
type Option func(*Box)

// WithClock has the time told by another clock.
func WithClock(now func() time.Time) Option { return func(b *Box) { b.now = now } }

// New opens the feedback on a broker. It costs one request.
func New(ctx context.Context, b *broker.Broker, options ...Option) (*Box, error) {
	box := &Box{js: b.JetStream(), now: time.Now, batch: batch}
	for _, option := range options {
		option(box)
	}
	var err error
	if box.stream, err = box.js.Stream(ctx, broker.FeedbackStream); err != nil {
		return nil, fmt.Errorf("open feedback: %w", err)
	}
	return box, nil
}

// The eras tell what was given here from what was imported. An import is written long after it was given, so that in
// each era by itself what was written later was given later.
const (
	eraNow    = "now"
	eraFormer = "former"
)

// eras are in the order of a list, the newest first.
var eras = []string{eraNow, eraFormer}

// dayLayout writes a day as a token.
const dayLayout = "20060102"

// Give stores feedback, and returns it and when its writer may give some again. What it is given must have passed
// CheckCategory and CheckContent. It fails with a *TooSoonError to all but one of many that come at once, and with
// ErrFull. When it fails for another reason than that it was too soon, its writer may try again at once. It costs three
// requests.
func (b *Box) Give(ctx context.Context, w Writer, category, content string) (*Entry, time.Time, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("name feedback: %w", err)
	}
	e := &Entry{
		ID: id.String(), UserID: w.ID, Email: w.Email, Category: Clean(category), Content: Clean(content), CreatedAt: job.At(b.now()),
		Status: Pending, Owner: w.Owner, era: eraNow,
	}
	next, err := b.claim(ctx, w.Owner, e.ID)
	if err != nil {
		return nil, next, err
	}
	if err := b.create(ctx, e); err != nil {
		b.unclaim(ctx, w.Owner, e.ID)
		return nil, time.Time{}, err
	}
	return e, next, nil
}

// create stores an entry. It fails with errConflict when it is there already.
func (b *Box) create(ctx context.Context, e *Entry) error {
	data, err := e.encode()
	if err != nil {
		return err
	}
	e.day = e.CreatedAt.UTC().Format(dayLayout)
	ack, err := b.js.Publish(ctx, e.subject(), data, jetstream.WithExpectLastSequencePerSubject(0))
	if err != nil {
		return published(err)
	}
	e.sequence = ack.Sequence
	return nil
}

func (e *Entry) subject() string { return broker.FeedbackSubject(e.era, e.day, e.Owner, e.ID) }

var errConflict = errors.New("changed meanwhile")

// published gives the answers to a publish their names.
func published(err error) error {
	if broker.Conflict(err) {
		return errConflict
	}
	if broker.NoRoom(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("store feedback: %w", err)
}
