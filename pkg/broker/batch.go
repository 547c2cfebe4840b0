package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// LastMessages reads the last message of each of up to a thousand jobs from a stream and passes it to take with the job's
// ID, the last token of its subject. It skips jobs without a message and messages written by a newer version. It costs one
// request, which any replica may answer.
func LastMessages(ctx context.Context, js jetstream.JetStream, stream string, ids []string, subject func(id string) string,
	take func(id string, msg *jetstream.RawStreamMsg) error,
) error {
	if len(ids) == 0 {
		return nil
	}
	subjects := make([]string, len(ids))
	for i, id := range ids {
		subjects[i] = subject(id)
	}
	ctx, cancel := Bounded(ctx)
	defer cancel()
	messages, err := jetstreamext.GetLastMsgsFor(ctx, js, stream, subjects)
	if err != nil {
		return fmt.Errorf("read messages from %s: %w", stream, err)
	}
	return takeMessages(ctx, stream, messages, take)
}

// MessagesSince passes the first messages of a stream, up to limit, that were stored since a time and whose subject matches a pattern
// to take, as LastMessages does. It costs one request, which any replica may answer.
func MessagesSince(ctx context.Context, js jetstream.JetStream, stream, pattern string, since time.Time, limit int,
	take func(id string, msg *jetstream.RawStreamMsg) error,
) error {
	ctx, cancel := Bounded(ctx)
	defer cancel()
	messages, err := jetstreamext.GetBatch(ctx, js, stream, limit, jetstreamext.GetBatchSubject(pattern), jetstreamext.GetBatchStartTime(since))
	if err != nil {
		return fmt.Errorf("read messages from %s: %w", stream, err)
	}
	return takeMessages(ctx, stream, messages, take)
}

func takeMessages(ctx context.Context, stream string, messages iter.Seq2[*jetstream.RawStreamMsg, error],
	take func(id string, msg *jetstream.RawStreamMsg) error,
) error {
	for msg, err := range messages {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return nil
		case err != nil:
			return fmt.Errorf("read messages from %s: %w", stream, err)
		case len(msg.Data) == 0:
			continue
		}
		id := msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:]
		if err := take(id, msg); err != nil && !errors.Is(err, job.ErrNewer) {
			return err
		}
	}
	// On a timeout the messages end without an error.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read messages from %s: %w", stream, err)
	}
	return nil
}
