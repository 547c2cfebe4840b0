// Package chunk stores bytes that are larger than a NATS message, in messages of half a MiB each. Its callers decide under
// which subjects the chunks are stored, and describe the bytes in a record of their own, which they write afterwards: chunks
// without a record are found by nobody.
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
	// Size is the size of every chunk but the last, in bytes; NATS takes messages of up to 1 MiB. It is part of the records
	// of stored bytes, so that it can change.
	Size = 512 << 10
	// concurrency bounds the chunks that are being stored at once for one caller.
	concurrency = 4
)

// ErrMissing is returned when a chunk is missing: the bytes were removed meanwhile, or have expired.
var ErrMissing = errors.New("chunk is missing")

// Store is the chunks in one stream.
type Store struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

// New returns the chunks in a stream that keeps one message for each subject. It costs no request.
func New(js jetstream.JetStream, stream jetstream.Stream) *Store { return &Store{js, stream} }

// Put stores data; subject returns the subject of a chunk by its number. It stores nothing for no data. A failure leaves the
// chunks that were stored before it. It costs one acknowledged publish for each chunk, a few of them at once.
func (s *Store) Put(ctx context.Context, subject func(n int) string, data []byte, opts ...jetstream.PublishOpt) error {
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

// Blob describes stored bytes.
type Blob struct {
	// Subject returns the subject of a chunk by its number.
	Subject func(n int) string
	// Bytes is the length of the whole, and ChunkBytes that of every chunk but the last.
	Bytes      int64
	ChunkBytes int
}

// Open returns stored bytes for reading from any place. It costs no request; reading costs one for each chunk, which any
// replica may answer, and is bounded by ctx. It fails with ErrMissing, and with io.ErrUnexpectedEOF when a chunk is shorter
// than the description says.
func (s *Store) Open(ctx context.Context, b Blob) *io.SectionReader {
	return io.NewSectionReader(&reader{ctx: ctx, store: s, blob: b, number: -1}, 0, b.Bytes)
}

// reader reads stored bytes and keeps the chunk that was read last.
type reader struct {
	ctx   context.Context //nolint:containedctx // An io.ReaderAt has no other way to be bounded.
	store *Store
	blob  Blob

	mu     sync.Mutex
	number int
	chunk  []byte
}

// ReadAt fills p from an offset. Offset and length are within the bytes, which io.SectionReader takes care of.
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
	case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && len(msg.Data) == 0: // Without data it is the marker of an expired chunk.
		return ErrMissing
	case err != nil:
		return fmt.Errorf("read chunk: %w", err)
	}
	r.chunk, r.number = msg.Data, number
	return nil
}
