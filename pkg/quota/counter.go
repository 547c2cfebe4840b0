package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

const (
	// incrHeader has NATS add its value to the counter of the message's subject.
	incrHeader = "Nats-Incr"
	// addTimeout bounds one try to change or read a counter; there are addTries of them.
	addTimeout = 2 * time.Second
	addTries   = 2
)

// change returns the message that adds to a counter. NATS takes no second one with the same id.
func change(subject string, by int, id string) *nats.Msg {
	msg := nats.NewMsg(subject)
	msg.Header.Set(incrHeader, fmt.Sprintf("%+d", by))
	msg.Header.Set(nats.MsgIdHdr, id)
	return msg
}

// add changes a counter once, however often it has to be tried, and returns its new value. The stream is the window's.
// It costs one acknowledged publish; one more and a read when the first answer was lost.
func (q *Quota) add(ctx context.Context, window, subject string, by int, id string) (int64, error) {
	var err error
	for range addTries {
		var ack *jetstream.PubAck
		if ack, err = q.try(ctx, change(subject, by, id)); err == nil {
			if ack.Duplicate || ack.Value == "" {
				return q.value(ctx, window, subject)
			}
			return parse(ack.Value)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		q.broker.Suspect()
	}
	return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func (q *Quota) try(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	return q.js.PublishMsg(ctx, msg)
}

// value reads a counter from its stream's leader.
func (q *Quota) value(ctx context.Context, window, subject string) (int64, error) {
	var msg *jetstream.RawStreamMsg
	var err error
	for range addTries {
		msg, err = q.read(ctx, window, subject)
		if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) || ctx.Err() != nil {
			break
		}
	}
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err != nil:
		if errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, nats.ErrNoResponders) {
			q.broker.Suspect()
		}
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var stored struct {
		Value string `json:"val"`
	}
	if err := json.Unmarshal(msg.Data, &stored); err != nil {
		return 0, fmt.Errorf("read counter: %w", err)
	}
	return parse(stored.Value)
}

func (q *Quota) read(ctx context.Context, window, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	return broker.LeaderLast(ctx, q.js, broker.UsageStream(window), subject)
}

func parse(value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read counter: %w", err)
	}
	return n, nil
}
