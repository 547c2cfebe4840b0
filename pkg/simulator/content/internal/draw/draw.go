// Package draw paints the images of the simulated upstreams: a landscape whose
// colors follow the words of the prompt, with the prompt written on it.
package draw

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
)

// Drawing describes an image. Equal drawings give equal bytes.
type Drawing struct {
	Prompt        string
	Model         string
	Seed          int64
	Width, Height int
	Transparent   bool   // a PNG with a transparent sky
	Vector        bool   // an SVG
	Logo          string // in the upper right corner, if it fits
	Variant       string // what else distinguishes the image, such as options of the request
}

// Encode returns the encoded image and its subtype of "image/". The cost grows with the number of pixels:
// about 20 ms for a megapixel. It fails only if the image cannot be encoded.
func (d Drawing) Encode() (data []byte, subtype string, err error) {
	d.Prompt = strings.ToValidUTF8(d.Prompt, "\uFFFD")
	if d.Vector {
		return d.svg(), "svg+xml", nil
	}
	canvas := image.NewRGBA(image.Rect(0, 0, d.Width, d.Height))
	d.paint(canvas)
	d.writePrompt(canvas)
	var out bytes.Buffer
	if d.Transparent {
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		if err := encoder.Encode(&out, canvas); err != nil {
			return nil, "", fmt.Errorf("encode png: %w", err)
		}
		return out.Bytes(), "png", nil
	}
	out.Grow(d.Width*d.Height/8 + 4096)
	if err := jpeg.Encode(&out, canvas, &jpeg.Options{Quality: 85}); err != nil {
		return nil, "", fmt.Errorf("encode jpeg: %w", err)
	}
	return out.Bytes(), "jpeg", nil
}

// random returns a random source that is the same for equal drawings.
func (d Drawing) random() *rand.Rand {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d%s", d.Prompt, d.Model, d.Seed, d.Variant))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:]))) //nolint:gosec // Repeatable, not secret.
}
