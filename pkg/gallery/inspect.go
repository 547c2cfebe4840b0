package gallery

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// maxPixels refuses pictures that would unpack to far more than anybody asks for.
const maxPixels = 32 << 20

// Found is what Inspect has found out about a picture.
type Found struct {
	// ContentType is image/png, image/jpeg or image/webp.
	ContentType   string
	Width, Height int
	// Data is the picture without what stood behind its end.
	Data []byte
}

const (
	pngMark  = "\x89PNG\r\n\x1a\n"
	jpegMark = "\xff\xd8\xff"
)

// Inspect tells what picture bytes are, whatever their sender says, and where it ends. It goes through the picture's
// structure, so that one that is cut off is found out, and unpacks nothing. It fails with ErrTooLarge, ErrType, ErrDamaged
// and ErrDimensions.
func Inspect(data []byte) (*Found, error) {
	var contentType string
	var measure func(io.Reader) (image.Config, error)
	var extent func([]byte) (end int, ok bool)
	switch {
	case len(data) > MaxBytes:
		return nil, ErrTooLarge
	case bytes.HasPrefix(data, []byte(pngMark)):
		contentType, measure, extent = "image/png", png.DecodeConfig, pngEnd
	case bytes.HasPrefix(data, []byte(jpegMark)):
		contentType, measure, extent = "image/jpeg", jpeg.DecodeConfig, jpegEnd
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		contentType, measure, extent = "image/webp", webp.DecodeConfig, webpEnd
	default:
		return nil, ErrType
	}
	end, ok := extent(data)
	if !ok {
		return nil, ErrDamaged
	}
	data = data[:end]
	size, err := measure(bytes.NewReader(data))
	switch {
	case err != nil, size.Width <= 0, size.Height <= 0:
		return nil, ErrDamaged
	case size.Width > maxPixels/size.Height:
		return nil, ErrDimensions
	}
	return &Found{ContentType: contentType, Width: size.Width, Height: size.Height, Data: data}, nil
}

// pngEnd walks from chunk to chunk up to the closing one.
func pngEnd(data []byte) (end int, ok bool) {
	const frame = 12 // Length, name and checksum.
	drawn := false
	for at := len(pngMark); len(data)-at >= frame; {
		length := int(binary.BigEndian.Uint32(data[at:]))
		if length < 0 || length > len(data)-at-frame {
			return 0, false
		}
		name := string(data[at+4 : at+8])
		at += frame + length
		switch name {
		case "IDAT":
			drawn = true
		case "IEND":
			return at, drawn
		}
	}
	return 0, false
}

// The marks of JPEG that matter to its structure.
const (
	jpegStart    = 0xd8
	jpegEndMark  = 0xd9
	jpegScan     = 0xda
	jpegRestart  = 0xd0 // And the seven that follow.
	jpegReserved = 0x01
)

// jpegEnd walks from segment to segment, through the drawn parts, up to the closing mark.
func jpegEnd(data []byte) (end int, ok bool) {
	drawn := false
	for at := 2; at+1 < len(data); {
		if data[at] != 0xff {
			return 0, false
		}
		mark := data[at+1]
		switch {
		case mark == 0xff: // Padding.
			at++
			continue
		case mark == jpegEndMark:
			return at + 2, drawn
		case mark == jpegReserved, mark >= jpegRestart && mark < jpegStart:
			at += 2
			continue
		case mark == 0, mark == jpegStart:
			return 0, false
		}
		if len(data)-at < 4 {
			return 0, false
		}
		length := int(binary.BigEndian.Uint16(data[at+2:]))
		if length < 2 || length > len(data)-at-2 {
			return 0, false
		}
		at += 2 + length
		if mark == jpegScan {
			drawn = true
			at = jpegScanEnd(data, at)
		}
	}
	return 0, false
}

// jpegScanEnd returns where the next mark stands behind the drawn part that begins at a place. A 0xff in it is followed by
// a zero, or by the mark of a restart.
func jpegScanEnd(data []byte, at int) int {
	for ; at+1 < len(data); at++ {
		if data[at] != 0xff {
			continue
		}
		if next := data[at+1]; next != 0 && (next < jpegRestart || next >= jpegStart) {
			return at
		}
	}
	return len(data)
}

// webpEnd walks from chunk to chunk; the container says how long it is.
func webpEnd(data []byte) (end int, ok bool) {
	const head, frame = 12, 8
	end = int(binary.LittleEndian.Uint32(data[4:])) + frame
	if end < frame || end > len(data) {
		return 0, false
	}
	drawn := false
	at := head
	for end-at >= frame {
		length := int(binary.LittleEndian.Uint32(data[at+4:]))
		switch string(data[at : at+4]) {
		case "VP8 ", "VP8L", "ANMF":
			drawn = true
		}
		if length < 0 || length > end-at-frame {
			return 0, false
		}
		at += frame + length
		if length%2 == 1 && at < end {
			at++
		}
	}
	return end, drawn
}
