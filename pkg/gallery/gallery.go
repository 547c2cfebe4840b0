package gallery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

const (
	// MaxImages is how many images of one day are kept for a member; another one evicts the oldest.
	MaxImages = 3
	// MaxBytes is the maximum size of an image.
	MaxBytes = 2 << 20
	// MaxModel bounds the name of a model, in bytes.
	MaxModel = 100
	// Age is how long an image is kept.
	Age = broker.ImagesAge
)

var (
	// ErrNotFound is returned for an image that does not exist or has expired.
	ErrNotFound = errors.New("no such saved image")
	// ErrTooLarge is returned for an image of more than MaxBytes.
	ErrTooLarge = errors.New("the image is too large")
	// ErrEncoding is returned for data that is not base64.
	ErrEncoding = errors.New("the data is not base64")
	// ErrType is returned for data that is not PNG, JPEG or WebP.
	ErrType = errors.New("not a PNG, JPEG or WebP image")
	// ErrDamaged is returned for a truncated or malformed image.
	ErrDamaged = errors.New("the image is damaged")
	// ErrDimensions is returned for an image with too many pixels.
	ErrDimensions = errors.New("the image has too many pixels")
	// ErrFull is returned when NATS has no room.
	ErrFull = kv.ErrFull
)

// Image describes a saved image.
type Image struct {
	ID     string `json:"id"`
	Prompt string `json:"prompt"`
	// Optimized is the prompt that the image was made from, if that is not Prompt.
	Optimized   string   `json:"optimized,omitempty"`
	Negative    string   `json:"negative,omitempty"`
	Width       int      `json:"width"`
	Height      int      `json:"height"`
	Seed        *int64   `json:"seed,omitempty"`
	Model       string   `json:"model,omitempty"`
	ContentType string   `json:"content_type"`
	Bytes       int64    `json:"bytes"`
	SHA256      string   `json:"sha256"`
	CreatedAt   job.Time `json:"created_at"`
	ExpiresAt   job.Time `json:"expires_at"`
	// Source identifies the image of a job: saving it again returns the existing image.
	Source string `json:"source,omitempty"`
}

// Gallery is the store of saved images.
type Gallery struct {
	stream  jetstream.Stream
	indexes *kv.Bucket[index]
	chunks  *chunk.Store
	now     func() time.Time
	// after is a test hook: it is called after each write, and its error aborts the operation, as a crash would.
	after func(step) error
}

// step is a write after which a process may die.
type step string

// The steps, in their order.
const (
	stepBytes step = "bytes"
	stepIndex step = "index"
	stepDrop  step = "drop"
)

// Option configures a Gallery.
type Option func(*Gallery)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(g *Gallery) { g.now = now } }

// New returns the gallery stored in a broker. It costs one request.
func New(ctx context.Context, b *broker.Broker, options ...Option) (*Gallery, error) {
	stream, err := b.JetStream().Stream(ctx, broker.ImagesStream)
	if err != nil {
		return nil, fmt.Errorf("open gallery: %w", err)
	}
	g := &Gallery{stream: stream, chunks: chunk.New(b.JetStream(), stream), now: time.Now, after: func(step) error { return nil }}
	g.indexes = kv.New(b.JetStream(), stream, kv.Config[index]{
		Name: "index of saved images", Check: (*index).check, TTL: func(x *index) time.Duration { return g.ttl(x.expires()) },
	})
	for _, option := range options {
		option(g)
	}
	return g, nil
}

// dayOf returns the day of t in UTC.
func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Today returns the current day.
func (g *Gallery) Today() string { return dayOf(g.now()) }

// days returns the days whose images may not have expired, the latest first.
func (g *Gallery) days() []string {
	now := g.now()
	return []string{dayOf(now), dayOf(now.Add(-Age))}
}

// List returns the images that a member has saved today and those of yesterday that have not expired, in the order of saving. It
// costs two requests.
func (g *Gallery) List(ctx context.Context, owner string) (today, earlier []Image, err error) {
	var lists [2][]Image
	for i, day := range g.days() {
		x, err := g.read(ctx, owner, day)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range x.Pictures {
			lists[i] = append(lists[i], e.Image)
		}
	}
	return lists[0], lists[1], nil
}

// Info returns the description of an image, or ErrNotFound. It costs at most two requests.
func (g *Gallery) Info(ctx context.Context, owner, id string) (Image, error) {
	e, _, err := g.find(ctx, owner, hasID(id))
	return e.Image, err
}

// Open returns an image and its bytes, or ErrNotFound. It costs at most two requests and one per 512 KiB.
func (g *Gallery) Open(ctx context.Context, owner, id string) (Image, []byte, error) {
	e, day, err := g.find(ctx, owner, hasID(id))
	if err != nil {
		return Image{}, nil, err
	}
	data, err := g.readBytes(ctx, owner, day, e)
	if err != nil {
		return Image{}, nil, err
	}
	return e.Image, data, nil
}

// Remove deletes an image. It returns ErrNotFound when there is none. Once it has begun to write, it completes even if ctx ends.
func (g *Gallery) Remove(ctx context.Context, owner, id string) error {
	e, day, err := g.find(ctx, owner, hasID(id))
	if err != nil {
		return err
	}
	ctx, cancel, err := beginWrite(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	err = g.change(ctx, owner, day, func(x *index) error {
		if !x.remove(id) {
			return ErrNotFound
		}
		return nil
	})
	if err != nil {
		return err
	}
	_ = g.removeBytes(ctx, owner, day, e) // Otherwise they expire.
	return nil
}

// Erase removes all images of a member. It is idempotent. It costs one request.
func (g *Gallery) Erase(ctx context.Context, owner string) error {
	if err := g.stream.Purge(ctx, jetstream.WithPurgeSubject(broker.OwnerImagesSubject(owner))); err != nil {
		return fmt.Errorf("erase saved images: %w", err)
	}
	return nil
}

// find returns the first image of a member that matches and its day, or ErrNotFound.
func (g *Gallery) find(ctx context.Context, owner string, matches func(entry) bool) (entry, string, error) {
	for _, day := range g.days() {
		x, err := g.read(ctx, owner, day)
		if err != nil {
			return entry{}, "", err
		}
		if e, found := x.find(matches); found {
			return e, day, nil
		}
	}
	return entry{}, "", ErrNotFound
}
