package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

const (
	// chunkBytes and windowBytes are the size of the pieces in which a snapshot comes, and how much of it may be under way.
	chunkBytes  = 128 << 10
	windowBytes = 4 << 20
	// chunkTimeout bounds the wait for the next piece. The server gives up after five seconds without an acknowledgement.
	chunkTimeout = 30 * time.Second

	statusOK = "204"
)

// snapshotState is the state of a stream at the start of a snapshot, as far as it matters.
type snapshotState struct {
	FirstSeq uint64 `json:"first_seq"`
	LastSeq  uint64 `json:"last_seq"`
}

// snapshot is a snapshot that the server sends.
type snapshot struct {
	config  json.RawMessage
	state   snapshotState
	chunks  *chunkReader
	entries *archive.Reader
}

// openSnapshot asks for a snapshot of a stream without its consumers. It has to be closed.
func openSnapshot(ctx context.Context, nc *nats.Conn, stream string) (*snapshot, error) {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("subscribe to a snapshot: %w", err)
	}
	s := &snapshot{chunks: &chunkReader{ctx: ctx, nc: nc, sub: sub}}
	ask, err := json.Marshal(map[string]any{
		"deliver_subject": inbox, "no_consumers": true, "chunk_size": chunkBytes, "window_size": windowBytes,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("encode request: %w", err), s.close())
	}
	var answer struct {
		Error  *jetstream.APIError `json:"error"`
		Config json.RawMessage     `json:"config"`
		State  snapshotState       `json:"state"`
	}
	if err := request(ctx, nc, "$JS.API.STREAM.SNAPSHOT."+stream, ask, &answer); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if answer.Error != nil {
		return nil, errors.Join(fmt.Errorf("request snapshot: %w", answer.Error), s.close())
	}
	s.config, s.state = answer.Config, answer.State
	s.entries = archive.NewReader(s2.NewReader(s.chunks))
	// The first entry repeats the state.
	head, err := s.entries.Next()
	switch {
	case errors.Is(err, archive.ErrInvalidArchive):
		return nil, errors.Join(ErrUnsupported, s.close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("read snapshot: %w", err), s.close())
	case head.Sequence != 0:
		return nil, errors.Join(errors.New("read snapshot: it does not begin with its state"), s.close())
	}
	return s, nil
}

// next returns the next message. Its byte slices hold until the next call. It fails with io.EOF once the server has said
// that the snapshot is complete, and with another error when it breaks off.
func (s *snapshot) next(e *entry, buf *bytes.Buffer) error {
	head, err := s.entries.Next()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if head.Sequence == 0 && head.Name == "" {
		return io.EOF
	}
	buf.Reset()
	if _, err := io.Copy(buf, s.entries); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if int64(buf.Len()) != head.HeaderSize+head.PayloadSize {
		return fmt.Errorf("read snapshot: message %d is cut off", head.Sequence)
	}
	*e = entry{
		subject: head.Name, header: buf.Bytes()[:head.HeaderSize], data: buf.Bytes()[head.HeaderSize:],
		time: head.Timestamp, seq: head.Sequence,
	}
	return nil
}

// close ends the snapshot; the server stops sending when nobody listens.
func (s *snapshot) close() error {
	if err := s.chunks.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("end snapshot: %w", err)
	}
	return nil
}

// chunkReader reads the pieces of a snapshot and acknowledges each once it is used, so that the server sends no more than
// can be written.
type chunkReader struct {
	ctx   context.Context
	nc    *nats.Conn
	sub   *nats.Subscription
	rest  []byte
	reply string
	done  error
}

// Read is io.Reader. It fails with io.EOF at the end of a snapshot that the server has sent completely.
func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.done != nil {
			return 0, r.done
		}
		if r.reply != "" {
			if err := r.nc.Publish(r.reply, nil); err != nil {
				return 0, fmt.Errorf("acknowledge snapshot: %w", err)
			}
			r.reply = ""
		}
		r.done = r.receive()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *chunkReader) receive() error {
	ctx, cancel := context.WithTimeout(r.ctx, chunkTimeout)
	defer cancel()
	msg, err := r.sub.NextMsgWithContext(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("wait for snapshot: %w", err)
	case len(msg.Data) > 0:
		r.rest, r.reply = msg.Data, msg.Reply
		return nil
	}
	if status := msg.Header.Get("Status"); status != "" && status != statusOK {
		return fmt.Errorf("the server broke off the snapshot: %s %s", status, msg.Header.Get("Description"))
	}
	return io.EOF
}

// request sends a request of the JetStream API and decodes the answer. A request that nobody answers is repeated until ctx
// ends or half a minute is over: a cluster may be between two leaders.
func request(ctx context.Context, nc *nats.Conn, subject string, ask []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	var msg *nats.Msg
	err := broker.RetryUnanswered(ctx, func(ctx context.Context) (err error) {
		msg, err = nc.RequestWithContext(ctx, subject, ask)
		return err
	})
	if err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	if err := json.Unmarshal(msg.Data, answer); err != nil {
		return fmt.Errorf("read answer to %s: %w", subject, err)
	}
	return nil
}

// nextMessage reads the first message of a stream from a sequence on from the stream's leader. It fails with
// jetstream.ErrMsgNotFound.
func nextMessage(ctx context.Context, nc *nats.Conn, stream string, from uint64, e *entry) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	m, err := broker.LeaderNext(ctx, nc, stream, from)
	if err != nil {
		return err
	}
	*e = entry{subject: m.Subject, header: m.Header, data: m.Data, time: m.Time.UnixNano(), seq: m.Sequence}
	return nil
}
