package simulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
)

// drawing says what a picture shows. Equal drawings give equal bytes.
type drawing struct {
	prompt        string
	model         string
	seed          int64
	width, height int
	transparent   bool   // a PNG with a clear sky
	vector        bool   // an SVG
	logo          string // in the upper corner, if it fits
	options       imageOptions
}

// random returns the repeatable chance from which the picture is composed.
func (d drawing) random() *rand.Rand {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d%s", d.prompt, d.model, d.seed, d.options.mark()))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:]))) //nolint:gosec // Repeatable, not secret.
}

// render draws and encodes a picture. As many pictures are drawn at once as
// there are processors; it fails when ctx ends while waiting for a turn.
func (s *Simulator) render(ctx context.Context, d drawing) (*artifact, error) {
	select {
	case s.renders <- struct{}{}:
		defer func() { <-s.renders }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to draw: %w", context.Cause(ctx))
	}
	d.prompt = strings.ToValidUTF8(d.prompt, "\uFFFD")
	if d.vector {
		return &artifact{contentType: "image/svg+xml", filename: slug(d.prompt) + ".svg", bytes: d.svg()}, nil
	}
	c := newCanvas(d.width, d.height)
	d.compose(c)
	d.inscribe(c)
	var out bytes.Buffer
	if d.transparent {
		// The canvas is already premultiplied: what was never painted is clear.
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		if err := encoder.Encode(&out, c.pixels); err != nil {
			return nil, fmt.Errorf("encode png: %w", err)
		}
		return &artifact{contentType: "image/png", filename: slug(d.prompt) + ".png", bytes: out.Bytes()}, nil
	}
	out.Grow(d.width*d.height/8 + 4096)
	if err := jpeg.Encode(&out, c.pixels, &jpeg.Options{Quality: 85}); err != nil {
		return nil, fmt.Errorf("encode jpeg: %w", err)
	}
	return &artifact{contentType: "image/jpeg", filename: slug(d.prompt) + ".jpg", bytes: out.Bytes()}, nil
}

// newCanvas makes a clear canvas.
func newCanvas(width, height int) *canvas {
	return &canvas{pixels: image.NewRGBA(image.Rect(0, 0, width, height)), width: width, height: height}
}
