package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// The headers that a replica adds to a message: its sequence and the number of messages on the subject after it.
const (
	headerSequence = "Nats-Sequence"
	headerPending  = "Nats-Num-Pending"
)

// rangeBatch is how many messages Range requests at once.
const rangeBatch = 500

// CountFrom returns how many messages on a subject, which may contain wildcards, a stream has from a sequence on. It costs
// one request, which any replica may answer.
func CountFrom(ctx context.Context, js jetstream.JetStream, stream, subject string, from uint64) (uint64, error) {
	_, behind, err := first(ctx, js, stream, map[string]any{"seq": max(1, from), "batch": 1, "next_by_subj": subject})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return behind + 1, nil
}

// FirstSince returns the sequence of the first message on a subject that was stored at t or later. It fails with
// jetstream.ErrMsgNotFound and costs one request.
func FirstSince(ctx context.Context, js jetstream.JetStream, stream, subject string, t time.Time) (uint64, error) {
	sequence, _, err := first(ctx, js, stream, map[string]any{"start_time": t.UTC(), "batch": 1, "next_by_subj": subject})
	return sequence, err
}

// first requests one message and returns its sequence and the number of messages after it.
func first(ctx context.Context, js jetstream.JetStream, stream string, query map[string]any) (sequence, behind uint64, err error) {
	req, err := json.Marshal(query)
	if err != nil {
		return 0, 0, fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := Bounded(ctx)
	defer cancel()
	msg, err := js.Conn().RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream, req)
	if err != nil {
		return 0, 0, fmt.Errorf("look up message in %s: %w", stream, err)
	}
	if msg.Header.Get(headerSequence) == "" {
		return 0, 0, notFound(msg, stream)
	}
	sequence, errSequence := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
	behind, errBehind := strconv.ParseUint(msg.Header.Get(headerPending), 10, 64)
	if err := errors.Join(errSequence, errBehind); err != nil {
		return 0, 0, fmt.Errorf("look up message in %s: %w", stream, err)
	}
	return sequence, behind, nil
}

// notFound returns jetstream.ErrMsgNotFound for the status 404, or another error.
func notFound(msg *nats.Msg, stream string) error {
	if status := msg.Header.Get("Status"); status != "404" {
		return fmt.Errorf("look up message in %s: status %q", stream, status)
	}
	return jetstream.ErrMsgNotFound
}

// Range passes the messages on a subject, which may contain wildcards, in order to take, from one sequence to another, both
// included, until take returns false or an error. It costs one request for each 500 messages, which any replica may answer.
func Range(ctx context.Context, js jetstream.JetStream, stream, subject string, from, to uint64,
	take func(*jetstream.RawStreamMsg) (more bool, err error),
) error {
	for from = max(1, from); from <= to; {
		last, more, err := rangeOnce(ctx, js, stream, subject, from, to, take)
		if err != nil || !more {
			return err
		}
		from = last + 1
	}
	return nil
}

// rangeOnce passes one batch to take and returns the sequence of its last message; more is false after the last batch.
func rangeOnce(ctx context.Context, js jetstream.JetStream, stream, subject string, from, to uint64,
	take func(*jetstream.RawStreamMsg) (more bool, err error),
) (last uint64, more bool, err error) {
	ctx, cancel := Bounded(ctx)
	defer cancel()
	messages, err := jetstreamext.GetBatch(ctx, js, stream, rangeBatch, jetstreamext.GetBatchSeq(from), jetstreamext.GetBatchSubject(subject))
	if err != nil {
		return 0, false, fmt.Errorf("read messages from %s: %w", stream, err)
	}
	for msg, err := range messages {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return 0, false, nil
		case err != nil:
			return 0, false, fmt.Errorf("read messages from %s: %w", stream, err)
		case msg.Sequence > to:
			return 0, false, nil
		}
		last, more = msg.Sequence, msg.Header.Get(headerPending) != "0"
		if goOn, err := take(msg); err != nil || !goOn {
			return 0, false, err
		}
	}
	// On a timeout the messages end without an error.
	if err := ctx.Err(); err != nil {
		return 0, false, fmt.Errorf("read messages from %s: %w", stream, err)
	}
	return last, more, nil
}
