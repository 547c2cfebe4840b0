package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

const (
	// incrHeader makes NATS add its value to the counter of the message's subject.
	incrHeader = "Nats-Incr"
	// countTries bounds the attempts to change or read a counter, for example while its stream is missing.
	countTries = 2
	// countTimeout bounds a change or read of a counter if the context has no deadline.
	countTimeout = 30 * time.Second
	// publishTimeout bounds the first attempt of a change.
	publishTimeout = 5 * time.Second
	// undoTimeout bounds the reversal of a charge.
	undoTimeout = 15 * time.Second
)

// counter locates a counter.
type counter struct{ stream, subject string }

// counterOf returns the counter of a name in a bucket (one minute or day) of a window.
func counterOf(window, name, bucket string) counter {
	return counter{broker.UsageStream(window), broker.UsageSubject(window, name, bucket)}
}

// change returns a message that adds to a counter. NATS ignores a second message with the same ID.
func change(subject string, by int, id string) *nats.Msg {
	value := strconv.Itoa(by)
	if by >= 0 {
		value = "+" + value
	}
	return &nats.Msg{Subject: subject, Header: nats.Header{incrHeader: {value}, nats.MsgIdHdr: {id}}}
}

// add adds to a counter exactly once, even with retries, and returns its new value. It waits for a slow store until ctx ends. It
// costs one acknowledged publish, and one more and a read when the first acknowledgement was lost.
func (q *Quota) add(ctx context.Context, js jetstream.JetStream, c counter, by int, id string) (int, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var ack *jetstream.PubAck
	err := twice(ctx, func(ctx context.Context) (err error) {
		ack, err = js.PublishMsg(ctx, change(c.subject, by, id))
		return err
	})
	if err == nil {
		return q.acked(ctx, c, ack)
	}
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		q.broker.TriggerReconcile()
	}
	return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// acked returns the value of a counter by the acknowledgement of a change. It costs a read when that is for a repeated message.
func (q *Quota) acked(ctx context.Context, c counter, ack *jetstream.PubAck) (int, error) {
	if ack.Duplicate || ack.Value == "" {
		return q.value(ctx, c)
	}
	return q.learn(c, ack.Value, ack.Sequence)
}

// twice retries a failed request once, and an unanswered one until ctx ends.
func twice(ctx context.Context, do func(context.Context) error) (err error) {
	for range countTries {
		err = broker.RetryUnanswered(ctx, do)
		if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) || ctx.Err() != nil {
			break
		}
	}
	return err
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, countTimeout)
}

// value returns the value of a counter, from its stream's leader.
func (q *Quota) value(ctx context.Context, c counter) (int, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var msg *jetstream.RawStreamMsg
	err := twice(ctx, func(ctx context.Context) (err error) {
		msg, err = broker.LeaderLast(ctx, q.js, c.stream, c.subject)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err != nil:
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, nats.ErrNoResponders) {
			q.broker.TriggerReconcile()
		}
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var stored struct {
		Value string `json:"val"`
	}
	if err := json.Unmarshal(msg.Data, &stored); err != nil {
		return 0, fmt.Errorf("read counter: %w", err)
	}
	return q.learn(c, stored.Value, msg.Sequence)
}

// learn remembers and returns the value of a counter that a message in its stream has.
func (q *Quota) learn(c counter, value string, sequence uint64) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("read counter: %w", err)
	}
	q.tallies.learn(c, n, sequence)
	return n, nil
}

// each calls f concurrently for 0 to n-1 and joins the errors in that order.
func each(n int, f func(i int) error) error {
	if n == 1 {
		return f(0)
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n - 1 {
		wg.Go(func() { errs[i] = f(i) })
	}
	if n > 0 {
		errs[n-1] = f(n - 1)
	}
	wg.Wait()
	return errors.Join(errs...)
}
