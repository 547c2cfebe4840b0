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

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

const (
	// chunkBytes is the size of the chunks of a snapshot, and windowBytes how much of it may be unacknowledged.
	chunkBytes  = 128 << 10
	windowBytes = 4 << 20
	// chunkTimeout bounds the wait for the next chunk. The server aborts after five seconds without an acknowledgement.
	chunkTimeout = 30 * time.Second

	statusOK = "204"
)

// snapshotState is the part of a stream's state that is used here.
type snapshotState struct {
	FirstSeq uint64 `json:"first_seq"`
	LastSeq  uint64 `json:"last_seq"`
}

// snapshot is a stream snapshot that the server sends.
type snapshot struct {
	config  json.RawMessage
	state   snapshotState
	chunks  *chunkReader
	entries *archive.Reader
}

// openSnapshot requests a snapshot of a stream without its consumers. The caller must close it.
func openSnapshot(ctx context.Context, nc *nats.Conn, stream string) (*snapshot, error) {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("subscribe to a snapshot: %w", err)
	}
	s := &snapshot{chunks: &chunkReader{ctx: ctx, nc: nc, sub: sub}}
	req, err := json.Marshal(map[string]any{
		"deliver_subject": inbox, "no_consumers": true, "chunk_size": chunkBytes, "window_size": windowBytes,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("encode request: %w", err), s.close())
	}
	var response struct {
		Config json.RawMessage `json:"config"`
		State  snapshotState   `json:"state"`
	}
	if err := request(ctx, nc, "$JS.API.STREAM.SNAPSHOT."+stream, req, &response); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.config, s.state = response.Config, response.State
	s.entries = archive.NewReader(s2.NewReader(s.chunks))
	// The first entry repeats the state.
	head, err := s.entries.Next()
	switch {
	case errors.Is(err, archive.ErrInvalidArchive):
		return nil, errors.Join(ErrUnsupported, s.close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("read snapshot: %w", err), s.close())
	case head.Sequence != 0:
		return nil, errors.Join(errors.New("read snapshot: its state is missing"), s.close())
	}
	return s, nil
}

// next reads the next message into e, whose slices refer to buf. It returns io.EOF after the end marker of the server, and
// another error when the snapshot is incomplete.
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
		return fmt.Errorf("read snapshot: message %d is truncated", head.Sequence)
	}
	*e = entry{
		subject: head.Name, header: buf.Bytes()[:head.HeaderSize], data: buf.Bytes()[head.HeaderSize:],
		time: head.Timestamp, seq: head.Sequence,
	}
	return nil
}

// close ends the snapshot; the server stops sending when there is no subscriber.
func (s *snapshot) close() error {
	if err := s.chunks.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("end snapshot: %w", err)
	}
	return nil
}

// chunkReader reads the chunks of a snapshot and acknowledges each one after it was consumed, so that the server sends no
// faster than the backup is written.
type chunkReader struct {
	ctx   context.Context
	nc    *nats.Conn
	sub   *nats.Subscription
	rest  []byte
	reply string
	done  error
}

// Read implements io.Reader. It returns io.EOF at the end of a complete snapshot.
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
		return fmt.Errorf("the server aborted the snapshot: %s %s", status, msg.Header.Get("Description"))
	}
	return io.EOF
}

// request sends a request to the JetStream API and decodes the response. An unanswered request is repeated until ctx ends or
// for half a minute: a cluster may be between two leaders. It fails with a *jetstream.APIError when NATS refuses.
func request(ctx context.Context, nc *nats.Conn, subject string, req []byte, response any) error {
	ctx, cancel := context.WithTimeout(ctx, chunkTimeout)
	defer cancel()
	var msg *nats.Msg
	err := broker.RetryUnanswered(ctx, func(ctx context.Context) (err error) {
		msg, err = nc.RequestWithContext(ctx, subject, req)
		return err
	})
	if err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	if err := broker.DecodeResponse(msg.Data, response); err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	return nil
}

// lastSequence returns the last sequence of a stream.
func lastSequence(ctx context.Context, nc *nats.Conn, stream string) (uint64, error) {
	var info struct {
		State snapshotState `json:"state"`
	}
	err := request(ctx, nc, "$JS.API.STREAM.INFO."+stream, nil, &info)
	return info.State.LastSeq, err
}

// nextMessage reads the first message of a stream at or after a sequence from the stream's leader into e. It fails with
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
