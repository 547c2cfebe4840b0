package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// Restore writes a backup that Verify has accepted into an empty NATS, whose broker was opened by broker.OpenUndeclared. The
// streams get the replicas of the broker's configuration and no placement, and otherwise their old configuration.
//
// It fails with ErrNotEmpty when the NATS has streams of this service, with broker.ErrRestoreUnfinished when an earlier
// restore was interrupted, and with ErrDamaged when the file has changed since it was verified. Until Restore succeeds,
// broker.Open fails for the store.
func Restore(ctx context.Context, b *broker.Broker, m *Manifest, r io.Reader) error {
	if err := checkEmpty(ctx, b, m); err != nil {
		return err
	}
	if err := b.BeginRestore(ctx, m.StartedAt); err != nil {
		return err
	}
	f, err := openFile(r)
	if err != nil {
		return err
	}
	defer f.close()
	for i := range m.Streams {
		if err := restoreStream(ctx, b, f, &m.Streams[i]); err != nil {
			return fmt.Errorf("restore stream %s: %w", m.Streams[i].Name, err)
		}
	}
	return b.EndRestore(ctx)
}

// Discard removes the streams of an interrupted restore. It fails, and removes nothing, when no restore was interrupted.
func Discard(ctx context.Context, b *broker.Broker) error {
	unfinished, err := b.RestoreUnfinished(ctx)
	if err != nil {
		return err
	}
	if !unfinished {
		return errors.New("no restore was interrupted here; nothing was discarded")
	}
	for _, name := range broker.StreamNames() {
		if err := b.JetStream().DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("discard stream %s: %w", name, err)
		}
	}
	return b.EndRestore(ctx)
}

// checkEmpty returns ErrNotEmpty if NATS has streams of this service or of the backup.
func checkEmpty(ctx context.Context, b *broker.Broker, m *Manifest) error {
	unfinished, err := b.RestoreUnfinished(ctx)
	if err != nil {
		return err
	}
	if unfinished {
		return broker.ErrRestoreUnfinished
	}
	names := broker.StreamNames()
	for _, s := range m.Streams {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	var existing []string
	for _, name := range names {
		stream, err := b.JetStream().Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look for stream %s: %w", name, err)
		}
		existing = append(existing, fmt.Sprintf("%s (%d messages)", name, stream.CachedInfo().State.Msgs))
	}
	if len(existing) > 0 {
		return fmt.Errorf("%w: there are %s", ErrNotEmpty, strings.Join(existing, ", "))
	}
	return nil
}

// restoreTimeout bounds the wait for the response to one chunk, and finishTimeout that to the last one, after which the server
// writes an index and a cluster replicates the stream.
const (
	restoreTimeout = time.Minute
	finishTimeout  = 10 * time.Minute
	// interestTimeout bounds the wait until the subscription of the restoring server is known in the cluster, and
	// interestPause is the pause between two attempts.
	interestTimeout = 10 * time.Second
	interestPause   = 50 * time.Millisecond
)

// restoreStream sends one stream to the server as a snapshot.
func restoreStream(ctx context.Context, b *broker.Broker, f *file, s *Stream) error {
	config, err := configFor(s.Config, b.Config().Replicas)
	if err != nil {
		return err
	}
	state := map[string]any{
		"messages": s.Messages, "bytes": s.Bytes, "first_seq": s.FirstSeq, "first_ts": time.Time{}, "last_seq": s.LastSeq,
		"last_ts": time.Time{}, "consumer_count": 0,
	}
	req, err := json.Marshal(map[string]any{"config": config, "state": state})
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	var response struct {
		Deliver string `json:"deliver_subject"`
	}
	// The request is not repeated: a second one would conflict with the stream of the first.
	bound, cancel := context.WithTimeout(ctx, restoreTimeout)
	defer cancel()
	msg, err := b.Conn().RequestWithContext(bound, "$JS.API.STREAM.RESTORE."+s.Name, req)
	if err != nil {
		return fmt.Errorf("request restore: %w", err)
	}
	if err := broker.DecodeResponse(msg.Data, &response); err != nil {
		return fmt.Errorf("request restore: %w", err)
	}
	chunks := &chunkWriter{ctx: ctx, nc: b.Conn(), subject: response.Deliver}
	stateData, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := sendStream(f, s, stateData, chunks); err != nil {
		return err
	}
	if err := chunks.finish(); err != nil {
		return err
	}
	return checkRestored(ctx, b, s)
}

// sendStream writes a snapshot of a stream: its state, its messages, and the end marker.
func sendStream(f *file, s *Stream, state []byte, w io.Writer) error {
	z := s2.NewWriter(w, s2.WriterConcurrency(1), s2.WriterBlockSize(chunkBytes))
	out := archive.NewWriter(z)
	put := func(head *archive.Header, content io.Reader) error {
		if err := out.WriteHeader(head); err != nil {
			return fmt.Errorf("send message: %w", err)
		}
		if _, err := io.Copy(out, content); err != nil {
			return fmt.Errorf("send message: %w", err)
		}
		return nil
	}
	err := put(&archive.Header{Name: "state.json", Timestamp: time.Now().UnixNano(), PayloadSize: int64(len(state))}, bytes.NewReader(state))
	if err != nil {
		return errors.Join(err, z.Close())
	}
	if s.Parts > 0 {
		found, err := f.nextStream()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the file has changed", ErrDamaged)
		}
		if err == nil {
			err = f.eachMessage(found, put)
		}
		if err == nil && !s.matches(*found) {
			err = fmt.Errorf("%w: the file has changed since it was verified", ErrDamaged)
		}
		if err != nil {
			return errors.Join(err, z.Close())
		}
	}
	if err := out.WriteHeader(&archive.Header{}); err != nil {
		return errors.Join(fmt.Errorf("send end: %w", err), z.Close())
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("send end: %w", err)
	}
	return nil
}

// configFor returns the configuration with which a stream is restored. Settings unknown to this version are kept.
func configFor(config json.RawMessage, replicas int) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, fmt.Errorf("%w: configuration: %w", ErrDamaged, err)
	}
	if fields == nil {
		return nil, fmt.Errorf("%w: no configuration", ErrDamaged)
	}
	fields["num_replicas"] = json.RawMessage(fmt.Sprint(max(1, replicas)))
	// The placement names servers and clusters of the NATS that was backed up.
	delete(fields, "placement")
	return fields, nil
}

// checkRestored fails unless the restored stream has the last sequence of the backup.
func checkRestored(ctx context.Context, b *broker.Broker, s *Stream) error {
	last, err := lastSequence(ctx, b.Conn(), s.Name)
	if err != nil {
		return err
	}
	if last != s.LastSeq {
		return fmt.Errorf("the restored stream ends at message %d, not at %d", last, s.LastSeq)
	}
	return nil
}

// chunkWriter sends a snapshot in chunks and waits for the acknowledgement of each.
type chunkWriter struct {
	ctx     context.Context
	nc      *nats.Conn
	subject string
}

// Write implements io.Writer.
func (w *chunkWriter) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		chunk := p[written:min(written+chunkBytes, len(p))]
		if err := w.send(chunk, restoreTimeout); err != nil {
			return written, err
		}
		written += len(chunk)
	}
	return written, nil
}

// request sends a chunk. In a cluster another server may restore, and its subscription may reach ours later than its
// response: a chunk without responders was not delivered and is sent again.
func (w *chunkWriter) request(ctx context.Context, chunk []byte) (*nats.Msg, error) {
	again := time.NewTicker(interestPause)
	defer again.Stop()
	for limit := time.Now().Add(interestTimeout); ; {
		msg, err := w.nc.RequestWithContext(ctx, w.subject, chunk)
		if !errors.Is(err, nats.ErrNoResponders) || time.Now().After(limit) {
			return msg, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

// finish marks the end of the snapshot and waits until it is restored.
func (w *chunkWriter) finish() error { return w.send(nil, finishTimeout) }

func (w *chunkWriter) send(chunk []byte, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(w.ctx, timeout)
	defer cancel()
	msg, err := w.request(ctx, chunk)
	if err != nil {
		return fmt.Errorf("send chunk: %w", err)
	}
	if len(msg.Data) == 0 {
		return nil
	}
	if err := broker.DecodeResponse(msg.Data, nil); err != nil {
		return fmt.Errorf("the server rejected the stream: %w", err)
	}
	return nil
}
