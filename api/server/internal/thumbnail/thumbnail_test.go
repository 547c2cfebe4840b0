package thumbnail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server/internal/thumbnail"
)

func encoded(t *testing.T, format string, width, height int, c color.Color) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		img.Set(i%width, i/width, c)
	}
	var out bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&out, img)
	case "gif":
		err = gif.Encode(&out, img, nil)
	default:
		err = jpeg.Encode(&out, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func reading(data []byte) func(context.Context) (io.Reader, error) {
	return func(context.Context) (io.Reader, error) { return bytes.NewReader(data), nil }
}

var red = color.NRGBA{R: 200, A: 255}

func TestGet(t *testing.T) {
	t.Parallel()
	opaque := encoded(t, "jpeg", 300, 151, red)
	for name, test := range map[string]struct {
		data          []byte
		contentType   string
		width, height int
	}{
		"JPEG":                     {opaque, "image/jpeg", 100, 50},
		"opaque PNG":               {encoded(t, "png", 200, 300, red), "image/jpeg", 100, 150},
		"PNG with transparency":    {encoded(t, "png", 200, 200, color.NRGBA{R: 200, A: 100}), "image/png", 100, 100},
		"GIF":                      {encoded(t, "gif", 200, 200, red), "image/jpeg", 100, 100},
		"very wide":                {encoded(t, "jpeg", 1000, 2, red), "image/jpeg", 100, 1},
		"as wide as the thumbnail": {encoded(t, "jpeg", 100, 400, red), "", 0, 0},
		"no image":                 {[]byte("a text"), "", 0, 0},
		"cut off":                  {opaque[:len(opaque)/2], "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := thumbnail.New(1<<20).Get(t.Context(), "key", 100, reading(test.data))
			if test.contentType == "" {
				if !errors.Is(err, thumbnail.ErrOriginal) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			img, _, err := image.Decode(bytes.NewReader(got.Data))
			if err != nil || got.ContentType != test.contentType || img.Bounds().Size() != image.Pt(test.width, test.height) {
				t.Fatalf("%v, %s of %v, want %s of %dx%d", err, got.ContentType, img.Bounds(), test.contentType, test.width, test.height)
			}
			if r, g, b, _ := img.At(test.width/2, test.height/2).RGBA(); r < 0x3000 || g > 0x2000 || b > 0x2000 {
				t.Errorf("the color is %x %x %x", r, g, b)
			}
		})
	}
}

// An image is read once for all concurrent callers and once while it is cached; of two that do not fit, the older one is dropped.
func TestCache(t *testing.T) {
	t.Parallel()
	data := encoded(t, "jpeg", 200, 200, red)
	var reads atomic.Int32
	count := func(context.Context) (io.Reader, error) {
		reads.Add(1)
		return bytes.NewReader(data), nil
	}
	probe, err := thumbnail.New(1<<20).Get(t.Context(), "probe", 100, count)
	if err != nil {
		t.Fatal(err)
	}
	reads.Store(0)
	c := thumbnail.New(2 * len(probe.Data))
	get := func(key string) {
		t.Helper()
		if _, err := c.Get(t.Context(), key, 100, count); err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { get("a") })
	}
	wg.Wait()
	if n := reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
	get("b")
	get("b")
	if n := reads.Load(); n != 2 {
		t.Errorf("read %d times, want 2", n)
	}
	get("a")
	if n := reads.Load(); n != 3 {
		t.Errorf("read %d times, want 3: both are cached", n)
	}
}

// Neither a failed read nor a caller that leaves is cached.
func TestFailure(t *testing.T) {
	t.Parallel()
	c := thumbnail.New(1 << 20)
	failed := errors.New("no connection")
	_, err := c.Get(t.Context(), "key", 100, func(context.Context) (io.Reader, error) { return nil, failed })
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	_, err = c.Get(ctx, "key", 100, func(ctx context.Context) (io.Reader, error) {
		cancel()
		<-release
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read: %w", ctx.Err())
		}
		return bytes.NewReader(encoded(t, "jpeg", 200, 200, red)), nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	if _, err := c.Get(t.Context(), "key", 100, reading(encoded(t, "jpeg", 200, 200, red))); err != nil {
		t.Error(err)
	}
}
