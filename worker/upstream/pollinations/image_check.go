package pollinations

import (
	"bytes"
	"crypto/md5" //nolint:gosec // The sum only recognises one known picture; nothing is protected by it.
	"encoding/hex"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/imagefile"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// errorImageMD5 is the MD5 sum of the image that has been sent in place of an error message.
const errorImageMD5 = "2090a5dc21c32952cbf8496339752bd1"

const (
	// maxPixels bounds the size of the decoded image.
	maxPixels = 64 << 20
	// tail is how near to the end the closing mark of an image must stand; some writers leave padding behind it.
	tail = 1 << 10
)

// checkImage checks that data is a whole image of a type that browsers display, and measures it without decoding it.
func (c *Client) checkImage(data []byte) (*Media, error) {
	if len(data) == 0 {
		return nil, upstream.InvalidResponse("image is empty")
	}
	if c.isPlaceholder(data) {
		return nil, &fault.Error{
			Class: fault.Retryable, Code: job.CodeUnavailable, Err: errPlaceholder,
		}
	}
	contentType := sniffImage(data)
	whole := false
	switch contentType {
	case imagefile.JPEG:
		whole = bytes.Contains(data[max(0, len(data)-tail):], []byte{0xff, 0xd9})
	case imagefile.PNG:
		whole = bytes.Contains(data[max(0, len(data)-tail):], []byte("IEND\xaeB`\x82"))
	case imagefile.WebP:
		whole = riffIsWhole(data)
	case "image/svg+xml":
		// SVG may contain scripts, and a retry would return SVG again.
		return nil, upstream.UnusableResponse("image is a vector drawing, which is not accepted")
	default:
		return nil, upstream.InvalidResponse("body is no image")
	}
	width, height, err := imagefile.Size(data)
	switch {
	case err != nil:
		return nil, upstream.InvalidResponse("image header cannot be read")
	case width <= 0 || height <= 0 || width > maxPixels/height:
		return nil, upstream.InvalidResponse("image has an impossible size")
	case !whole:
		return nil, upstream.InvalidResponse("image is cut off")
	}
	return &Media{ContentType: contentType, Data: data, Width: width, Height: height}, nil
}

// isPlaceholder recognizes a known error image without the usual headers.
func (c *Client) isPlaceholder(data []byte) bool {
	sum := md5.Sum(data) //nolint:gosec // See the import.
	return slices.Contains(c.placeholders, hex.EncodeToString(sum[:]))
}

// sniffImage detects the type of an image by its first bytes; empty for an unknown one.
func sniffImage(data []byte) string {
	if contentType := imagefile.ContentType(data); contentType != "" {
		return contentType
	}
	head := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(data[:min(len(data), 1024)], []byte("\ufeff"))))
	if bytes.HasPrefix(head, []byte("<svg")) || (bytes.HasPrefix(head, []byte("<?xml")) && bytes.Contains(head, []byte("<svg"))) {
		return "image/svg+xml"
	}
	return ""
}
