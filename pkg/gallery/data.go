package gallery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
)

// putBytes stores the bytes of an image. If it fails, it removes what it has stored.
func (g *Gallery) putBytes(ctx context.Context, owner, day string, e entry, data []byte) error {
	err := g.chunks.Put(ctx, chunkSubject(owner, day, e), data, jetstream.WithMsgTTL(g.ttl(e.ExpiresAt.Time)))
	if err == nil {
		return g.after(stepBytes)
	}
	_ = g.removeBytes(ctx, owner, day, e) // Otherwise they expire.
	if broker.NoRoom(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("store saved image: %w", err)
}

// readBytes returns the bytes of an image, or ErrNotFound when they were removed meanwhile.
func (g *Gallery) readBytes(ctx context.Context, owner, day string, e entry) ([]byte, error) {
	if e.Bytes > MaxBytes {
		return nil, errors.New("read saved image: invalid size in the index")
	}
	data := make([]byte, e.Bytes)
	_, err := io.ReadFull(g.chunks.Open(ctx, chunk.Blob{Subject: chunkSubject(owner, day, e), Bytes: e.Bytes, ChunkBytes: e.ChunkBytes}), data)
	switch {
	case errors.Is(err, chunk.ErrMissing):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read saved image: %w", err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, errors.New("read saved image: hash mismatch")
	}
	return data, nil
}

// removeBytes removes the bytes of an image, even if ctx has ended.
func (g *Gallery) removeBytes(ctx context.Context, owner, day string, e entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if err := g.stream.Purge(ctx, jetstream.WithPurgeSubject(broker.ImageSubject(owner, day, e.Key))); err != nil {
		return fmt.Errorf("remove saved image: %w", err)
	}
	return g.after(stepDrop)
}

// chunkSubject returns the function from the number of a chunk of an image to its subject.
func chunkSubject(owner, day string, e entry) func(n int) string {
	return func(n int) string { return broker.ImageChunkSubject(owner, day, e.Key, n) }
}
