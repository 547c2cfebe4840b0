package gallery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// chunkBytes is the size of every chunk but a picture's last; NATS takes messages of up to 1 MiB.
const chunkBytes = 512 << 10

// putBytes stores the bytes of a picture. Those of one that could not be stored as a whole are removed.
func (g *Gallery) putBytes(ctx context.Context, owner, day string, e entry, data []byte) error {
	ttl := jetstream.WithMsgTTL(g.left(e.ExpiresAt.Time))
	for i := 0; i*e.ChunkBytes < len(data); i++ {
		chunk := data[i*e.ChunkBytes : min((i+1)*e.ChunkBytes, len(data))]
		_, err := g.js.Publish(ctx, broker.ImageChunkSubject(owner, day, e.Key, i), chunk, ttl)
		if err := published(err); err != nil {
			// What stays expires by itself.
			_ = g.dropBytes(ctx, owner, day, e)
			return err
		}
	}
	return g.after(StepBytes)
}

// readBytes returns the bytes of a picture. It fails with ErrNotFound when somebody has removed them meanwhile.
func (g *Gallery) readBytes(ctx context.Context, owner, day string, e *entry) ([]byte, error) {
	if e.Bytes > MaxBytes {
		return nil, errors.New("read saved picture: the index names an impossible size")
	}
	data := make([]byte, 0, e.Bytes)
	for i := 0; int64(len(data)) < e.Bytes; i++ {
		subject := broker.ImageChunkSubject(owner, day, e.Key, i)
		msg, err := g.images.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			// A replica may be behind; its leader is not.
			msg, err = broker.LeaderLast(ctx, g.js, broker.ImagesStream, subject)
		}
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, ErrNotFound
		case err != nil:
			return nil, fmt.Errorf("read saved picture: %w", err)
		case len(msg.Data) == 0:
			return nil, ErrNotFound // The mark of one that has expired.
		}
		data = append(data, msg.Data...)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, errors.New("read saved picture: its bytes are not those that were saved")
	}
	return data, nil
}

// dropBytes removes the bytes of a picture, also when there was no time left for what came before.
func (g *Gallery) dropBytes(ctx context.Context, owner, day string, e entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	if err := g.images.Purge(ctx, jetstream.WithPurgeSubject(broker.ImageSubject(owner, day, e.Key))); err != nil {
		return fmt.Errorf("remove saved picture: %w", err)
	}
	return g.after(StepDrop)
}
