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
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Every is the minimum time between two pieces of feedback of one member.
const Every = 10 * time.Minute

var (
	// ErrNotFound is returned for feedback that does not exist.
	ErrNotFound = errors.New("no such feedback")
	// ErrFull is returned when NATS has no room.
	ErrFull = kv.ErrFull
)

// TooSoonError is returned when a member gave feedback within Every.
type TooSoonError struct {
	// Next is when the member may give feedback again.
	Next time.Time
}

// Error does not contain the time.
func (*TooSoonError) Error() string { return "too soon after the last feedback" }

// Box is the store of feedback.
type Box struct {
	js      jetstream.JetStream
	stream  jetstream.Stream
	entries *kv.Bucket[Entry]
	marks   *kv.Bucket[mark]
	claims  *kv.Bucket[claim]
	now     func() time.Time
	// statusesAtOnce is how many statuses are read with one request.
	statusesAtOnce int
}

// Option configures a Box.
type Option func(*Box)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(b *Box) { b.now = now } }

// New returns the feedback stored in a broker. It costs one request.
func New(ctx context.Context, b *broker.Broker, options ...Option) (*Box, error) {
	js := b.JetStream()
	stream, err := js.Stream(ctx, broker.FeedbackStream)
	if err != nil {
		return nil, fmt.Errorf("open feedback: %w", err)
	}
	box := &Box{
		js: js, stream: stream, now: time.Now, statusesAtOnce: statusesAtOnce,
		entries: kv.New(js, stream, kv.Config[Entry]{Name: "feedback"}),
		marks:   kv.New(js, stream, kv.Config[mark]{Name: "mark of feedback"}),
		claims:  kv.New(js, stream, kv.Config[claim]{Name: "claim", Lenient: true, TTL: (*claim).ttl}),
	}
	for _, option := range options {
		option(box)
	}
	return box, nil
}

// The batches separate feedback that was given here from imported feedback, which is written long after it was given: the order
// of writing is the order of time only within a batch. They are parts of subjects.
const (
	batchGiven    = "now"
	batchImported = "former"
)

// batches lists the batches, the newest first.
var batches = []string{batchGiven, batchImported}

// dayLayout is the format of the day in a subject.
const dayLayout = "20060102"

// Give stores feedback and returns it and the time from which its writer may give more. category and content must have passed
// CheckCategory and CheckContent. It returns a *TooSoonError for all but one of concurrent calls, or ErrFull. After any error but
// a *TooSoonError the writer may retry at once. It costs three requests.
func (b *Box) Give(ctx context.Context, w Writer, category, content string) (*Entry, time.Time, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("generate feedback ID: %w", err)
	}
	e := &Entry{
		ID: id.String(), UserID: w.ID, Email: w.Email, Category: Clean(category), Content: Clean(content), CreatedAt: job.At(b.now()),
		Status: Pending, Owner: w.Owner, batch: batchGiven,
	}
	next, err := b.claim(ctx, w.Owner, e.ID)
	if err != nil {
		return nil, next, err
	}
	if err := b.create(ctx, e); err != nil {
		b.releaseClaim(ctx, w.Owner, e.ID)
		return nil, time.Time{}, err
	}
	return e, next, nil
}

// create stores an entry. It returns kv.ErrConflict when it is already present.
func (b *Box) create(ctx context.Context, e *Entry) (err error) {
	e.V, e.day = job.Version, e.CreatedAt.UTC().Format(dayLayout)
	e.sequence, err = b.entries.Update(ctx, e.subject(), *e, 0)
	return err
}

func (e *Entry) subject() string { return broker.FeedbackSubject(e.batch, e.day, e.Owner, e.ID) }
