// Package chunk stores data larger than a NATS message in messages of 512 KiB each. Its callers choose the subjects of the
// chunks, and write a record that describes the data afterwards; chunks without a record are never read.
package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

const (
	// Size is the size of every chunk but the last, in bytes; NATS accepts messages of up to 1 MiB. The records of stored data
	// include it, so that it can change.
	Size = 512 << 10
	// concurrency bounds the chunks that a Put stores at once.
	concurrency = 4
)

// ErrMissing is returned when a chunk is missing because the data was removed meanwhile or has expired.
var ErrMissing = errors.New("chunk is missing")

// Store stores chunks in one stream.
type Store struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

// New returns a store on a stream that keeps one message per subject. It costs no request.
func New(js jetstream.JetStream, stream jetstream.Stream) *Store { return &Store{js, stream} }

// Put stores data; subject returns the subject of chunk n. After an error, some chunks may be stored. It costs one acknowledged
// publish for each chunk, a few of them concurrently.
func (s *Store) Put(ctx context.Context, subject func(n int) string, data []byte, opts ...jetstream.PublishOpt) error {
	if len(data) <= Size && len(data) > 0 {
		_, err := s.js.Publish(ctx, subject(0), data, opts...)
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for n := 0; n*Size < len(data); n++ {
		part := data[n*Size : min((n+1)*Size, len(data))]
		group.Go(func() error {
			_, err := s.js.Publish(groupCtx, subject(n), part, opts...)
			return err
		})
	}
	return group.Wait()
}

// Blob describes stored data.
type Blob struct {
	// Subject returns the subject of chunk n.
	Subject func(n int) string
	// Bytes is the size of the data, and ChunkBytes that of every chunk but the last.
	Bytes      int64
	ChunkBytes int
}

// Open returns a reader of stored data. It costs no request; reading costs one for each chunk, to any replica, and is bounded by
// ctx. Reads fail with ErrMissing, and with io.ErrUnexpectedEOF when a chunk is shorter than described.
func (s *Store) Open(ctx context.Context, b Blob) *io.SectionReader {
	return io.NewSectionReader(&reader{ctx: ctx, store: s, blob: b, number: -1}, 0, b.Bytes)
}

// reader reads stored data and keeps the last chunk.
type reader struct {
	ctx   context.Context //nolint:containedctx // An io.ReaderAt has no other way to be bounded.
	store *Store
	blob  Blob

	mu     sync.Mutex
	number int
	chunk  []byte
}

// ReadAt fills p from an offset. io.SectionReader ensures that p is within the data.
func (r *reader) ReadAt(p []byte, offset int64) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := int64(r.blob.ChunkBytes)
	for n < len(p) {
		if err := r.load(int(offset / size)); err != nil {
			return n, err
		}
		within := offset % size
		if within >= int64(len(r.chunk)) {
			return n, io.ErrUnexpectedEOF
		}
		copied := copy(p[n:], r.chunk[within:])
		n += copied
		offset += int64(copied)
	}
	return n, nil
}

func (r *reader) load(number int) error {
	if r.number == number {
		return nil
	}
	subject := r.blob.Subject(number)
	msg, err := r.store.stream.GetLastMsgForSubject(r.ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		// A replica may be behind; the leader is not.
		msg, err = broker.LeaderLast(r.ctx, r.store.js, r.store.stream.CachedInfo().Config.Name, subject)
	}
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && len(msg.Data) == 0: // A message without data marks an expired chunk.
		return ErrMissing
	case err != nil:
		return fmt.Errorf("read chunk: %w", err)
	}
	r.chunk, r.number = msg.Data, number
	return nil
}
