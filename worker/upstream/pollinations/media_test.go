package pollinations_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

// pattern returns an image that does not compress well.
func pattern(width, height int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, color.RGBA{R: uint8(x * 7 % 256), G: uint8(y * 5 % 256), B: uint8(x * y % 256), A: 255})
		}
	}
	return img
}

func jpegOf(t testing.TB, width, height int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, pattern(width, height), nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pngOf(t testing.TB, width, height int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, pattern(width, height)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// webpOf returns a lossless WebP of one white pixel.
func webpOf(t testing.TB) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// mp3Of returns silent frames of 44.1 kHz and 128 kbit/s.
func mp3Of(frames int) []byte {
	frame := make([]byte, 417)
	copy(frame, []byte{0xff, 0xfb, 0x90, 0xc4})
	return bytes.Repeat(frame, frames)
}

// tagged puts an ID3 tag of the given length before the data.
func tagged(length int, data []byte) []byte {
	tag := append([]byte("ID3\x04\x00\x00"), byte(length>>21&0x7f), byte(length>>14&0x7f), byte(length>>7&0x7f), byte(length&0x7f))
	return append(append(tag, make([]byte, length)...), data...)
}

// wavOf returns a WAV file whose header has the given length, or the true one if that is negative.
func wavOf(samples int, length int64) []byte {
	if length < 0 {
		length = int64(36 + 2*samples)
	}
	out := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x44\xac\x00\x00\x88\x58\x01\x00\x02\x00\x10\x00data")
	binary.LittleEndian.PutUint32(out[4:], uint32(length))
	out = binary.LittleEndian.AppendUint32(out, uint32(2*samples))
	return append(out, make([]byte, 2*samples)...)
}

// aacOf returns frames with ADTS headers.
func aacOf(frames int) []byte {
	const length = 200
	frame := make([]byte, length)
	copy(frame, []byte{0xff, 0xf1, 0x50, 0x80 | length>>11, length >> 3 & 0xff, length&7<<5 | 0x1f, 0xfc})
	return bytes.Repeat(frame, frames)
}
