package media

import (
	"bytes"

	"github.com/text2image-audio/text2image-audio/pkg/imagefile"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// MaxPixels bounds the size of the decoded image.
	MaxPixels = 64 << 20
	// tail is the number of bytes at the end that must contain the end marker of an image; some writers add padding.
	tail = 1 << 10
)

// CheckImage returns the image in data with its type and size, without decoding it. It fails with a *fault.Error if data
// is not a complete image of a type that browsers display.
func CheckImage(data []byte) (*Media, error) {
	if len(data) == 0 {
		return nil, upstream.InvalidResponse("image is empty")
	}
	contentType := SniffImage(data)
	complete := false
	switch contentType {
	case imagefile.JPEG:
		complete = bytes.Contains(data[max(0, len(data)-tail):], []byte{0xff, 0xd9})
	case imagefile.PNG:
		complete = bytes.Contains(data[max(0, len(data)-tail):], []byte("IEND\xaeB`\x82"))
	case imagefile.WebP:
		complete = riffIsComplete(data)
	case "image/svg+xml":
		// SVG may contain scripts, and a retry would return SVG again.
		return nil, upstream.UnusableResponse("image is SVG, which is not accepted")
	default:
		return nil, upstream.InvalidResponse("response is not an image")
	}
	width, height, err := imagefile.Size(data)
	switch {
	case err != nil:
		return nil, upstream.InvalidResponse("image header cannot be read")
	case width <= 0 || height <= 0 || width > MaxPixels/height:
		return nil, upstream.InvalidResponse("image has an invalid size")
	case !complete:
		return nil, upstream.InvalidResponse("image is cut off")
	}
	return &Media{ContentType: contentType, Data: data, Width: width, Height: height}, nil
}

// SniffImage returns the content type of an image by its first bytes; empty if it is unknown.
func SniffImage(data []byte) string {
	if contentType := imagefile.ContentType(data); contentType != "" {
		return contentType
	}
	head := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(data[:min(len(data), 1024)], []byte("\ufeff"))))
	if bytes.HasPrefix(head, []byte("<svg")) || (bytes.HasPrefix(head, []byte("<?xml")) && bytes.Contains(head, []byte("<svg"))) {
		return "image/svg+xml"
	}
	return ""
}
