// Package imagefile reads the type, dimensions and length of PNG, JPEG and WebP files from their structure. It does not
// decompress them, so that a small file that claims to be huge costs nothing.
package imagefile

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// The supported content types.
const (
	PNG  = "image/png"
	JPEG = "image/jpeg"
	WebP = "image/webp"
)

const (
	pngSignature  = "\x89PNG\r\n\x1a\n"
	jpegSignature = "\xff\xd8\xff"
)

// ErrFormat is returned for a file of another type, or one whose header cannot be read.
var ErrFormat = errors.New("not a PNG, JPEG or WebP file")

// format reads files of one type.
type format struct {
	contentType string
	config      func(io.Reader) (image.Config, error)
	end         func([]byte) (end int, ok bool)
}

func formatOf(data []byte) (f format, known bool) {
	switch {
	case bytes.HasPrefix(data, []byte(pngSignature)):
		return format{PNG, png.DecodeConfig, pngEnd}, true
	case bytes.HasPrefix(data, []byte(jpegSignature)):
		return format{JPEG, jpeg.DecodeConfig, jpegEnd}, true
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return format{WebP, webp.DecodeConfig, webpEnd}, true
	}
	return format{}, false
}

// ContentType returns PNG, JPEG or WebP from the first bytes of a file, and "" for another type.
func ContentType(data []byte) string {
	f, _ := formatOf(data)
	return f.contentType
}

// Size returns the width and height in pixels from the header of a file. The values are not checked. It fails with ErrFormat.
func Size(data []byte) (width, height int, err error) {
	f, known := formatOf(data)
	if !known {
		return 0, 0, ErrFormat
	}
	config, err := f.config(bytes.NewReader(data))
	if err != nil {
		return 0, 0, ErrFormat
	}
	return config.Width, config.Height, nil
}

// End returns the length of the image file at the start of data. ok is false for a file that is truncated or malformed, has no
// image data or is of another type. It takes one pass over the data.
func End(data []byte) (end int, ok bool) {
	f, known := formatOf(data)
	if !known {
		return 0, false
	}
	return f.end(data)
}
