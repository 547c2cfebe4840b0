package openai

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"

	_ "golang.org/x/image/webp" // Decodes WebP.
)

const (
	// maxPixels bounds the memory for one image, at 4 bytes a pixel; larger ones are not converted.
	maxPixels = 20 << 20
	// convertAtOnce is how many images are converted concurrently.
	convertAtOnce = 2
	jpegQuality   = 92
)

// Converter converts images to the requested output_format.
type Converter struct{ slots chan struct{} }

// NewConverter returns a Converter.
func NewConverter() *Converter { return &Converter{make(chan struct{}, convertAtOnce)} }

// Convertible reports whether an image of a content type has to be converted to have a format. Nothing is converted to WebP.
func Convertible(contentType, format string) bool {
	return (format == "png" || format == "jpeg") && contentType != "image/"+format
}

// Convert returns an image in a format, with its content type. An image that is too large or cannot be decoded is returned unchanged, and
// so is one that is not Convertible. It costs the decoding and encoding of the image, of which two run at once, and fails if ctx ends
// before.
func (v *Converter) Convert(ctx context.Context, data []byte, contentType, format string) (converted []byte, newType string, err error) {
	if !Convertible(contentType, format) {
		return data, contentType, nil
	}
	if size, _, err := image.DecodeConfig(bytes.NewReader(data)); err != nil || size.Width*size.Height > maxPixels {
		return data, contentType, nil //nolint:nilerr // It is returned as it is.
	}
	select {
	case v.slots <- struct{}{}:
		defer func() { <-v.slots }()
	case <-ctx.Done():
		return nil, "", context.Cause(ctx)
	}
	decoded, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return data, contentType, nil //nolint:nilerr // It is returned as it is.
	}
	var b bytes.Buffer
	if format == "png" {
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, decoded)
	} else {
		err = jpeg.Encode(&b, onWhite(decoded), &jpeg.Options{Quality: jpegQuality})
	}
	if err != nil {
		return nil, "", fmt.Errorf("convert image to %s: %w", format, err)
	}
	return b.Bytes(), "image/" + format, nil
}

// onWhite returns an image without transparency, which JPEG does not have.
func onWhite(src image.Image) image.Image {
	if opaque, ok := src.(interface{ Opaque() bool }); ok && opaque.Opaque() {
		return src
	}
	dst := image.NewRGBA(src.Bounds())
	draw.Draw(dst, dst.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(dst, dst.Bounds(), src, src.Bounds().Min, draw.Over)
	return dst
}
