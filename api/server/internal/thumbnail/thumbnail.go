// Package thumbnail makes small versions of images and keeps them in memory.
package thumbnail

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // Decodes GIF.
	"image/jpeg"
	"image/png"
	"io"
	"sync"
	"time"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // Decodes WebP.
	"golang.org/x/sync/singleflight"
)

const (
	// maxPixels bounds the memory for one image, at 4 bytes a pixel; larger ones have no thumbnail.
	maxPixels = 20 << 20
	// atOnce is how many thumbnails are made concurrently.
	atOnce = 2
	// timeout bounds the reading and scaling of one image.
	timeout = 30 * time.Second
	quality = 82
)

// ErrOriginal is returned for an image that has no thumbnail: it is not larger than one, too large, or of a format that cannot be
// decoded. The original takes its place.
var ErrOriginal = errors.New("the image has no thumbnail")

// Thumbnail is a small version of an image.
type Thumbnail struct {
	ContentType string
	Data        []byte
}

// Cache makes thumbnails and keeps the most recently used ones.
type Cache struct {
	limit  int
	slots  chan struct{}
	flight singleflight.Group

	mu      sync.Mutex
	entries map[string]*list.Element
	// recent holds the entries, the most recently used first.
	recent *list.List
	bytes  int
}

type entry struct {
	key string
	// thumbnail is nil if the image has none.
	thumbnail *Thumbnail
}

// size returns the bytes that an entry counts for.
func (e *entry) size() int {
	const overhead = 256
	if e.thumbnail == nil {
		return overhead
	}
	return overhead + len(e.thumbnail.Data)
}

// New returns a cache of at most limit bytes.
func New(limit int) *Cache {
	return &Cache{limit: limit, slots: make(chan struct{}, atOnce), entries: make(map[string]*list.Element), recent: list.New()}
}

// Get returns a version of an image that is width pixels wide: JPEG, or PNG if the image has transparent pixels. The key identifies
// the image and the width; read returns the image and is called once for all concurrent callers, with a context that outlives
// theirs. Get fails with ErrOriginal, with the error of read, and with that of ctx. A thumbnail that is not cached costs the
// decoding of the image, of which two run at once.
func (c *Cache) Get(ctx context.Context, key string, width int, read func(context.Context) (io.Reader, error)) (*Thumbnail, error) {
	if t, known := c.find(key); known {
		return t, missing(t)
	}
	made := c.flight.DoChan(key, func() (any, error) {
		if t, known := c.find(key); known {
			return t, missing(t) // Made since the first look.
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		t, err := makeThumbnail(ctx, width, read)
		if err != nil && !errors.Is(err, ErrOriginal) {
			return nil, err
		}
		c.add(key, t)
		return t, err
	})
	select {
	case result := <-made:
		t, _ := result.Val.(*Thumbnail)
		return t, result.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func missing(t *Thumbnail) error {
	if t == nil {
		return ErrOriginal
	}
	return nil
}

func (c *Cache) find(key string) (t *Thumbnail, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, known := c.entries[key]
	if !known {
		return nil, false
	}
	c.recent.MoveToFront(element)
	return element.Value.(*entry).thumbnail, true //nolint:forcetypeassert // The list holds nothing else.
}

func (c *Cache) add(key string, t *Thumbnail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[key]; known {
		return
	}
	e := &entry{key, t}
	c.entries[key] = c.recent.PushFront(e)
	for c.bytes += e.size(); c.bytes > c.limit && c.recent.Len() > 1; {
		oldest := c.recent.Remove(c.recent.Back()).(*entry) //nolint:forcetypeassert // The list holds nothing else.
		delete(c.entries, oldest.key)
		c.bytes -= oldest.size()
	}
}

func makeThumbnail(ctx context.Context, width int, read func(context.Context) (io.Reader, error)) (*Thumbnail, error) {
	r, err := read(ctx)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read image: %w", err)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || config.Width <= width || config.Width*config.Height > maxPixels {
		return nil, ErrOriginal
	}
	source, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, ErrOriginal
	}
	bounds := source.Bounds()
	scaled := image.NewRGBA(image.Rect(0, 0, width, max(1, (bounds.Dy()*width+bounds.Dx()/2)/bounds.Dx())))
	draw.CatmullRom.Scale(scaled, scaled.Bounds(), source, bounds, draw.Src, nil)
	var out bytes.Buffer
	if scaled.Opaque() {
		err = jpeg.Encode(&out, scaled, &jpeg.Options{Quality: quality})
		return &Thumbnail{ContentType: "image/jpeg", Data: out.Bytes()}, err
	}
	err = png.Encode(&out, scaled)
	return &Thumbnail{ContentType: "image/png", Data: out.Bytes()}, err
}
