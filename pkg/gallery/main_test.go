package gallery_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang bounds how long a test waits; it is not an expectation.
const hang = 2 * time.Minute

// noon returns a clock at noon.
func noon() *clocktest.Clock { return clocktest.New(time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)) }

// open returns a gallery in a new broker.
func open(t testing.TB, options ...gallery.Option) (*gallery.Gallery, *clocktest.Clock, *broker.Broker) {
	t.Helper()
	b, time := brokertest.Start(t), noon()
	g, err := gallery.New(t.Context(), b, append(options, gallery.WithClock(time.Now))...)
	must(t, err)
	return g, time, b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noise returns an image that does not compress well.
func noise(side int, seed uint64) image.Image {
	r := rand.New(rand.NewPCG(seed, seed))
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			v := r.Uint32()
			m.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), 255})
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, m))
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}

// keys returns the keys of all messages with data.
func keys(t testing.TB, b *broker.Broker) []string {
	t.Helper()
	kv, err := b.JetStream().KeyValue(t.Context(), broker.BucketImages)
	must(t, err)
	lister, err := kv.ListKeys(t.Context())
	must(t, err)
	var list []string
	for key := range lister.Keys() {
		list = append(list, key)
	}
	return list
}
