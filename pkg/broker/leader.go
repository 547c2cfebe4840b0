package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// LeaderLast returns the last message on a subject, which may hold wildcards, from the stream's leader. The client
// library asks any replica of a stream that allows direct gets, and a replica may be behind. A request that goes unanswered
// is repeated until ctx ends.
// It fails with jetstream.ErrMsgNotFound, and after five seconds when ctx has no deadline of its own and nobody answers.
func LeaderLast(ctx context.Context, js jetstream.JetStream, stream, subject string) (*jetstream.RawStreamMsg, error) {
	return leaderGet(ctx, js, stream, map[string]any{"last_by_subj": subject})
}

// LeaderMessage returns the message with a sequence from the stream's leader. It fails as LeaderLast does.
func LeaderMessage(ctx context.Context, js jetstream.JetStream, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	return leaderGet(ctx, js, stream, map[string]any{"seq": sequence})
}

func leaderGet(ctx context.Context, js jetstream.JetStream, stream string, ask map[string]any) (*jetstream.RawStreamMsg, error) {
	req, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var msg *nats.Msg
	err = RetryUnanswered(ctx, func(ctx context.Context) (err error) {
		msg, err = js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, req)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask leader of %s: %w", stream, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return nil, fmt.Errorf("read answer of leader of %s: %w", stream, err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, jetstream.ErrMsgNotFound
	case answer.Error != nil:
		return nil, fmt.Errorf("ask leader of %s: %w", stream, answer.Error)
	case answer.Message == nil:
		return nil, fmt.Errorf("ask leader of %s: empty answer", stream)
	}
	m := answer.Message
	header, err := decodeHeader(m.Header)
	if err != nil {
		return nil, fmt.Errorf("read answer of leader of %s: %w", stream, err)
	}
	return &jetstream.RawStreamMsg{Subject: m.Subject, Sequence: m.Sequence, Header: header, Data: m.Data, Time: m.Time}, nil
}

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 5 * time.Second

// Bounded returns ctx with a deadline, five seconds from now when it has none. The JetStream client does the same with
// the requests that it makes itself; one that is made past it would wait for as long as NATS is away.
func Bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, requestTimeout)
}

func decodeHeader(b []byte) (nats.Header, error) {
	if len(b) == 0 {
		return nil, nil
	}
	return nats.DecodeHeadersMsg(b)
}
