package gallery

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

const (
	// writeTimeout bounds a write, and removeTimeout the subsequent removal of bytes.
	writeTimeout  = 15 * time.Second
	removeTimeout = 5 * time.Second
)

// Save saves an image of a member. p describes it; size, type and dimensions are taken from data, whose trailing bytes after the
// end of the image are removed. A fourth image of a day evicts the oldest. Save returns ErrTooLarge, ErrType, ErrDamaged,
// ErrDimensions or ErrFull. Once it has begun to write, it completes even if ctx ends. It costs one acknowledged publish per
// 512 KiB and three requests.
func (g *Gallery) Save(ctx context.Context, owner string, p Image, data []byte) (Image, error) {
	found, err := Inspect(data)
	if err != nil {
		return Image{}, err
	}
	if p.Source != "" {
		if e, _, err := g.find(ctx, owner, hasSource(p.Source)); !errors.Is(err, ErrNotFound) {
			return e.Image, err
		}
	}
	ctx, cancel, err := beginWrite(ctx)
	if err != nil {
		return Image{}, err
	}
	defer cancel()
	now := g.now()
	p.ID, p.CreatedAt, p.ExpiresAt = rand.Text(), job.At(now), job.At(now.Add(Age))
	day, saved := dayOf(now), newEntry(p, found)
	if err := g.putBytes(ctx, owner, day, saved, found.Data); err != nil {
		return Image{}, err
	}
	result := saved
	var unused []entry
	err = g.change(ctx, owner, day, func(x *index) error {
		if duplicate, exists := x.find(hasSource(p.Source)); exists {
			result, unused = duplicate, []entry{saved}
			return kv.ErrUnchanged
		}
		x.Pictures = append(x.Pictures, saved)
		result, unused = saved, x.evict()
		return nil
	})
	if err := g.removeUnused(ctx, owner, day, saved, unused, err); err != nil {
		return Image{}, err
	}
	return result.Image, nil
}

// beginWrite returns the context of a write, which completes even if ctx ends: the bytes of an unfinished write stay stored for a
// day, so that repeated disconnects could fill the store.
func beginWrite(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if ctx.Err() != nil {
		return nil, nil, fmt.Errorf("change saved images: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	return ctx, cancel, nil
}

// removeUnused removes the bytes that the index does not list after a change that returned err. It returns err.
func (g *Gallery) removeUnused(ctx context.Context, owner, day string, saved entry, unused []entry, err error) error {
	switch {
	case errors.Is(err, ErrFull), errors.Is(err, kv.ErrConflict):
		unused = []entry{saved}
	case err != nil:
		return err // The index may have been written.
	}
	for _, e := range unused {
		_ = g.removeBytes(ctx, owner, day, e) // Otherwise they expire.
	}
	return err
}

// newEntry returns the entry of an image with a new key.
func newEntry(p Image, found *Found) entry {
	sum := sha256.Sum256(found.Data)
	p.ContentType, p.Width, p.Height = found.ContentType, found.Width, found.Height
	p.Bytes, p.SHA256 = int64(len(found.Data)), hex.EncodeToString(sum[:])
	return entry{Image: p, Key: rand.Text(), ChunkBytes: chunk.Size}
}
