package gallery

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// MaxPictures is how many pictures a member keeps of a day; one more pushes out the oldest.
	MaxPictures = 3
	// MaxBytes is the size of the largest picture that is kept.
	MaxBytes = 2 << 20
	// MaxModel bounds the name of a model, in bytes.
	MaxModel = 100
	// Age is how long a picture is kept.
	Age = broker.ImagesAge
)

var (
	// ErrNotFound is returned for a picture that a member does not have, or no longer.
	ErrNotFound = errors.New("no such saved picture")
	// ErrTooLarge is returned for a picture of more than MaxBytes.
	ErrTooLarge = errors.New("the picture is too large")
	// ErrEncoding is returned for bytes that should have come as base64 and did not.
	ErrEncoding = errors.New("the data is not base64")
	// ErrType is returned for what is no PNG, JPEG or WebP.
	ErrType = errors.New("not a picture of a known type")
	// ErrDamaged is returned for a picture that is cut off or malformed.
	ErrDamaged = errors.New("the picture is damaged")
	// ErrDimensions is returned for a picture that would unpack to far more than anybody asks for.
	ErrDimensions = errors.New("the picture has too many pixels")
	// ErrFull is returned when the store takes no more.
	ErrFull = errors.New("the store is full")
)

// Picture is a saved picture without its bytes.
type Picture struct {
	ID     string `json:"id"`
	Prompt string `json:"prompt"`
	// Optimized is what the picture was really made from, when that is not the prompt.
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
	// Source names the job's picture that this one is; whoever saves it again gets the one that is there.
	Source string `json:"source,omitempty"`
}

// Gallery is all saved pictures.
type Gallery struct {
	js     jetstream.JetStream
	images jetstream.Stream
	now    func() time.Time
	// after is for tests: it is called behind each write, and its error ends the act there, as a crash would.
	after func(Step) error
}

// Step is a write after which something could stop.
type Step string

// The steps, in their order.
const (
	StepBytes Step = "bytes"
	StepIndex Step = "index"
	StepDrop  Step = "drop"
)

// Option changes a new gallery.
type Option func(*Gallery)

// WithClock has the time told by another clock.
func WithClock(now func() time.Time) Option { return func(g *Gallery) { g.now = now } }

// New opens the gallery on a broker. It costs one request.
func New(ctx context.Context, b *broker.Broker, options ...Option) (*Gallery, error) {
	g := &Gallery{js: b.JetStream(), now: time.Now, after: func(Step) error { return nil }}
	for _, option := range options {
		option(g)
	}
	var err error
	if g.images, err = g.js.Stream(ctx, broker.ImagesStream); err != nil {
		return nil, fmt.Errorf("open gallery: %w", err)
	}
	return g, nil
}

// Day returns the day that a time belongs to, in UTC.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Today returns the day of which somebody can save pictures now.
func (g *Gallery) Today() string { return Day(g.now()) }

// days returns the days whose pictures may still be there, the latest first.
func (g *Gallery) days() []string {
	now := g.now()
	return []string{Day(now), Day(now.Add(-Age))}
}

// Save keeps a picture for a member. p tells where it comes from; size, type and measures are taken from the bytes, and
// what stands behind the picture's end is cut off. A fourth of the day pushes out the one that was saved first. It fails
// with ErrTooLarge, ErrType, ErrDamaged, ErrDimensions and ErrFull. A caller that goes away once bytes are written does not
// stop it. It costs one acknowledged publish for each 512 KiB and three requests.
func (g *Gallery) Save(ctx context.Context, owner string, p Picture, data []byte) (Picture, error) {
	found, err := Inspect(data)
	if err != nil {
		return Picture{}, err
	}
	if p.Source != "" {
		if there, err := g.bySource(ctx, owner, p.Source); err != nil || there != nil {
			return pictureOf(there), err
		}
	}
	ctx, cancel, err := begin(ctx)
	if err != nil {
		return Picture{}, err
	}
	defer cancel()
	now := g.now()
	p.ID, p.CreatedAt, p.ExpiresAt = rand.Text(), job.At(now), job.At(now.Add(Age))
	saved := newEntry(p, found)
	day := Day(now)
	if err := g.putBytes(ctx, owner, day, saved, found.Data); err != nil {
		return Picture{}, err
	}
	var twin *entry
	var out []entry
	err = g.change(ctx, owner, day, func(x *index) error {
		if twin, out = x.bySource(p.Source), nil; twin != nil {
			return errUnchanged
		}
		x.Pictures = append(x.Pictures, saved)
		out = x.pushOut()
		return nil
	})
	if twin != nil {
		out = []entry{saved}
	}
	return g.settle(ctx, owner, day, saved, twin, out, err)
}

// writeTimeout bounds a change, and dropTimeout the removal of bytes behind one.
const (
	writeTimeout = 15 * time.Second
	dropTimeout  = 5 * time.Second
)

// begin returns a context for a change that goes on when its caller hangs up: what is left half-way takes room for a day,
// and whoever hangs up again and again would fill the store.
func begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if ctx.Err() != nil {
		return nil, nil, fmt.Errorf("change saved pictures: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	return ctx, cancel, nil
}

// settle removes the bytes that nothing names any more after a picture was saved, or was not.
func (g *Gallery) settle(ctx context.Context, owner, day string, saved entry, twin *entry, out []entry, err error) (Picture, error) {
	switch {
	case errors.Is(err, ErrFull), errors.Is(err, errConflict):
		out = []entry{saved}
	case err != nil:
		// It may have been written all the same.
		return Picture{}, err
	}
	for _, e := range out {
		// What stays expires by itself.
		_ = g.dropBytes(ctx, owner, day, e)
	}
	if twin != nil {
		return twin.Picture, nil
	}
	return saved.Picture, err
}

func newEntry(p Picture, found *Found) entry {
	sum := sha256.Sum256(found.Data)
	p.ContentType, p.Width, p.Height = found.ContentType, found.Width, found.Height
	p.Bytes, p.SHA256 = int64(len(found.Data)), hex.EncodeToString(sum[:])
	return entry{Picture: p, Key: rand.Text(), ChunkBytes: chunkBytes}
}

func pictureOf(e *entry) Picture {
	if e == nil {
		return Picture{}
	}
	return e.Picture
}

// List returns the pictures that a member has saved today and those of the day before that are still there, in the order
// in which they came here. It costs two requests.
func (g *Gallery) List(ctx context.Context, owner string) (today, earlier []Picture, err error) {
	var lists [2][]Picture
	for i, day := range g.days() {
		x, _, err := g.read(ctx, owner, day)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range x.Pictures {
			lists[i] = append(lists[i], e.Picture)
		}
	}
	return lists[0], lists[1], nil
}

// Info returns a member's picture without its bytes. It fails with ErrNotFound and costs at most two requests.
func (g *Gallery) Info(ctx context.Context, owner, id string) (Picture, error) {
	e, _, err := g.find(ctx, owner, id)
	return pictureOf(e), err
}

// Open returns a member's picture and its bytes. It fails with ErrNotFound. It costs at most two requests and one for each
// 512 KiB.
func (g *Gallery) Open(ctx context.Context, owner, id string) (Picture, []byte, error) {
	e, day, err := g.find(ctx, owner, id)
	if err != nil {
		return Picture{}, nil, err
	}
	data, err := g.readBytes(ctx, owner, day, e)
	if err != nil {
		return Picture{}, nil, err
	}
	return e.Picture, data, nil
}

// Remove deletes a member's picture. It fails with ErrNotFound. A caller that goes away meanwhile does not stop it.
func (g *Gallery) Remove(ctx context.Context, owner, id string) error {
	e, day, err := g.find(ctx, owner, id)
	if err != nil {
		return err
	}
	ctx, cancel, err := begin(ctx)
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
	// What stays expires by itself.
	_ = g.dropBytes(ctx, owner, day, *e)
	return nil
}

// Erase removes everything that a member has saved. It may be repeated and costs one request.
func (g *Gallery) Erase(ctx context.Context, owner string) error {
	if err := g.images.Purge(ctx, jetstream.WithPurgeSubject(broker.OwnerImagesSubject(owner))); err != nil {
		return fmt.Errorf("erase saved pictures: %w", err)
	}
	return nil
}

// find returns a picture and the day under which it lies.
func (g *Gallery) find(ctx context.Context, owner, id string) (*entry, string, error) {
	for _, day := range g.days() {
		x, _, err := g.read(ctx, owner, day)
		if err != nil {
			return nil, "", err
		}
		if i := x.at(id); i >= 0 {
			return &x.Pictures[i], day, nil
		}
	}
	return nil, "", ErrNotFound
}

// bySource returns the picture that was saved from a job's, nil when there is none.
func (g *Gallery) bySource(ctx context.Context, owner, source string) (*entry, error) {
	for _, day := range g.days() {
		x, _, err := g.read(ctx, owner, day)
		if err != nil {
			return nil, err
		}
		if e := x.bySource(source); e != nil {
			return e, nil
		}
	}
	return nil, nil
}
