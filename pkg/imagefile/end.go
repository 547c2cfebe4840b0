package imagefile

import "encoding/binary"

// pngEnd walks the chunks up to IEND.
func pngEnd(data []byte) (end int, ok bool) {
	const frame = 12 // Length, name and checksum.
	hasData := false
	for at := len(pngSignature); len(data)-at >= frame; {
		length := int(binary.BigEndian.Uint32(data[at:]))
		if length < 0 || length > len(data)-at-frame {
			return 0, false
		}
		name := string(data[at+4 : at+8])
		at += frame + length
		switch name {
		case "IDAT":
			hasData = true
		case "IEND":
			return at, hasData
		}
	}
	return 0, false
}

// The markers that matter to the structure of a JPEG file.
const (
	markerTEM  = 0x01
	markerRST0 = 0xd0 // RST1 to RST7 follow.
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
)

// jpegEnd walks the segments and scans up to EOI.
func jpegEnd(data []byte) (end int, ok bool) {
	hasData := false
	for at := 2; at+1 < len(data); {
		if data[at] != 0xff {
			return 0, false
		}
		marker := data[at+1]
		switch {
		case marker == 0xff: // A fill byte.
			at++
			continue
		case marker == markerEOI:
			return at + 2, hasData
		case marker == markerTEM, marker >= markerRST0 && marker < markerSOI:
			at += 2
			continue
		case marker == 0, marker == markerSOI:
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
		if marker == markerSOS {
			hasData = true
			at = scanEnd(data, at)
		}
	}
	return 0, false
}

// scanEnd returns the offset of the first marker after the scan that starts at the offset at. Within a scan, 0xff is followed by
// 0 or by a restart marker.
func scanEnd(data []byte, at int) int {
	for ; at+1 < len(data); at++ {
		if data[at] != 0xff {
			continue
		}
		if next := data[at+1]; next != 0 && (next < markerRST0 || next >= markerSOI) {
			return at
		}
	}
	return len(data)
}

// webpEnd walks the chunks of the container, whose header has its length.
func webpEnd(data []byte) (end int, ok bool) {
	const header, frame = 12, 8
	end = int(binary.LittleEndian.Uint32(data[4:])) + frame
	if end < frame || end > len(data) {
		return 0, false
	}
	hasData := false
	for at := header; end-at >= frame; {
		length := int(binary.LittleEndian.Uint32(data[at+4:]))
		switch string(data[at : at+4]) {
		case "VP8 ", "VP8L", "ANMF":
			hasData = true
		}
		if length < 0 || length > end-at-frame {
			return 0, false
		}
		at += frame + length
		if length%2 == 1 && at < end {
			at++
		}
	}
	return end, hasData
}
