package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// StoredMessage is a message as a stream stores it, with its header undecoded.
type StoredMessage struct {
	Subject  string    `json:"subject"`
	Sequence uint64    `json:"seq"`
	Header   []byte    `json:"hdrs"`
	Data     []byte    `json:"data"`
	Time     time.Time `json:"time"`
}

// LeaderLast returns the last message on a subject, which may contain wildcards, from the stream's leader. The client
// library sends the request to any replica of a stream that allows direct gets, and a replica may be behind. Unanswered
// requests are repeated until ctx ends, or for five seconds if it has no deadline. It fails with jetstream.ErrMsgNotFound.
// Where the only server is that of this process, it uses a direct get, which costs half as much.
func LeaderLast(ctx context.Context, js jetstream.JetStream, stream, subject string) (*jetstream.RawStreamMsg, error) {
	if c, ok := js.(*checkedJetStream); ok && c.alone {
		return directLast(ctx, js.Conn(), stream, subject)
	}
	return decodeMessage(leaderGet(ctx, js.Conn(), stream, map[string]any{"last_by_subj": subject}))
}

// directLast is LeaderLast by a direct get.
func directLast(ctx context.Context, nc *nats.Conn, stream, subject string) (*jetstream.RawStreamMsg, error) {
	req, err := json.Marshal(server.JSApiMsgGetRequest{LastFor: subject})
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var msg *nats.Msg
	err = RetryUnanswered(ctx, func(ctx context.Context) (err error) {
		msg, err = nc.RequestWithContext(ctx, fmt.Sprintf(server.JSDirectMsgGetT, stream), req)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("request message from %s: %w", stream, err)
	}
	raw := &jetstream.RawStreamMsg{Subject: msg.Header.Get(jetstream.SubjectHeader), Data: msg.Data, Header: msg.Header}
	if raw.Subject == "" {
		return nil, notFound(msg, stream)
	}
	sequence, errSequence := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
	at, errTime := time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	if err := errors.Join(errSequence, errTime); err != nil {
		return nil, fmt.Errorf("decode message of %s: %w", stream, err)
	}
	for _, added := range []string{jetstream.StreamHeader, jetstream.SubjectHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer, headerPending} {
		msg.Header.Del(added)
	}
	if len(msg.Header) == 0 {
		raw.Header = nil
	}
	raw.Sequence, raw.Time = sequence, at
	return raw, nil
}

// LeaderMessage returns the message with a sequence from the stream's leader. It fails as LeaderLast does.
func LeaderMessage(ctx context.Context, js jetstream.JetStream, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	return decodeMessage(leaderGet(ctx, js.Conn(), stream, map[string]any{"seq": sequence}))
}

// LeaderNext returns the first message from a sequence on from the stream's leader. It fails as LeaderLast does.
func LeaderNext(ctx context.Context, nc *nats.Conn, stream string, from uint64) (*StoredMessage, error) {
	return leaderGet(ctx, nc, stream, map[string]any{"seq": from, "next_by_subj": ">"})
}

func leaderGet(ctx context.Context, nc *nats.Conn, stream string, query map[string]any) (*StoredMessage, error) {
	req, err := json.Marshal(query)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var msg *nats.Msg
	err = RetryUnanswered(ctx, func(ctx context.Context) (err error) {
		msg, err = nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, req)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("request message from leader of %s: %w", stream, err)
	}
	var response struct {
		Error   *jetstream.APIError `json:"error"`
		Message *StoredMessage      `json:"message"`
	}
	if err := json.Unmarshal(msg.Data, &response); err != nil {
		return nil, fmt.Errorf("decode response of leader of %s: %w", stream, err)
	}
	switch {
	case response.Error != nil && response.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, jetstream.ErrMsgNotFound
	case response.Error != nil:
		return nil, fmt.Errorf("request message from leader of %s: %w", stream, response.Error)
	case response.Message == nil:
		return nil, fmt.Errorf("request message from leader of %s: empty response", stream)
	}
	return response.Message, nil
}

// decodeMessage decodes the header of a message, or returns err if that is not nil.
func decodeMessage(m *StoredMessage, err error) (*jetstream.RawStreamMsg, error) {
	if err != nil {
		return nil, err
	}
	raw := &jetstream.RawStreamMsg{Subject: m.Subject, Sequence: m.Sequence, Data: m.Data, Time: m.Time}
	if len(m.Header) > 0 {
		if raw.Header, err = nats.DecodeHeadersMsg(m.Header); err != nil {
			return nil, fmt.Errorf("decode header of %s: %w", m.Subject, err)
		}
	}
	return raw, nil
}

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 5 * time.Second

// Bounded returns ctx with a deadline, five seconds from now when it has none. The JetStream client does the same with
// its own requests; any other request would wait as long as NATS is unreachable.
func Bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, requestTimeout)
}
