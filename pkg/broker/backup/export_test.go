package backup

import (
	"context"
	"crypto/sha256"
	"io"

	"github.com/nats-io/nats-server/v2/server/archive"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// WithTrailer returns a file with its checksum.
func WithTrailer(file []byte) []byte {
	sum := sha256.Sum256(file)
	return append(file, trailer(sum[:])...)
}

// Tail reads what follows a snapshot that ended before the first message of a stream.
func Tail(ctx context.Context, b *broker.Broker, stream string) (*Stream, error) {
	s := &Stream{Name: stream}
	err := (&creator{broker: b}).tail(ctx, s, archive.NewWriter(io.Discard))
	return s, err
}
