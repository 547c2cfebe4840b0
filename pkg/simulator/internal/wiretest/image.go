package wiretest

import (
	"bytes"
	"image"
	_ "image/jpeg" // the formats of the hosts
	_ "image/png"
	"testing"
)

// DecodeImage returns a complete image of the given format and size.
func DecodeImage(t *testing.T, data []byte, format string, width, height int) image.Image {
	t.Helper()
	img, got, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); got != format || size != image.Pt(width, height) {
		t.Fatalf("got %s of %v, want %s of %dx%d", got, size, format, width, height)
	}
	return img
}
