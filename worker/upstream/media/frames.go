package media

import "bytes"

// isMP3 reports whether data is an MP3 stream: two consistent frames in a row after tags and padding. The eleven set bits
// of one frame also occur in text files of some encodings.
func isMP3(data []byte) bool {
	data = skipTags(data)
	data = bytes.TrimLeft(data, "\x00")
	first, ok := parseFrame(data)
	if !ok || len(data) < first.length {
		return false
	}
	second, ok := parseFrame(data[first.length:])
	return ok && second.version == first.version && second.rate == first.rate
}

// skipTags skips ID3v2 tags, whose length is in four bytes of seven bits.
func skipTags(data []byte) []byte {
	for len(data) >= 10 && string(data[:3]) == "ID3" {
		length := 10 + int(data[6]&0x7f)<<21 + int(data[7]&0x7f)<<14 + int(data[8]&0x7f)<<7 + int(data[9]&0x7f)
		if data[5]&0x10 != 0 {
			length += 10
		}
		if length > len(data) {
			return nil
		}
		data = data[length:]
	}
	return data
}

// frame is the header of an MPEG layer III frame.
type frame struct {
	version byte
	rate    int
	length  int
}

// parseFrame parses a frame header. It rejects other layers than III and reserved values.
func parseFrame(data []byte) (frame, bool) {
	if len(data) < 4 || data[0] != 0xff || data[1]&0xe0 != 0xe0 {
		return frame{}, false
	}
	const reserved, layerIII = 1, 1
	version, layer := data[1]>>3&3, data[1]>>1&3
	rateIndex, bitrateIndex := data[2]>>2&3, data[2]>>4
	if version == reserved || layer != layerIII || rateIndex == 3 || bitrateIndex == 0 || bitrateIndex == 15 {
		return frame{}, false
	}
	const mpeg1 = 3
	rate := [3]int{44100, 48000, 32000}[rateIndex]
	bitrate := [15]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}[bitrateIndex]
	samples := 1152
	if version != mpeg1 {
		bitrate = [15]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}[bitrateIndex]
		samples = 576
		rate /= 2
		if version == 0 {
			rate /= 2
		}
	}
	padding := int(data[2] >> 1 & 1)
	return frame{version: version, rate: rate, length: samples/8*bitrate*1000/rate + padding}, true
}

// isADTS reports whether data begins with two AAC frames.
func isADTS(data []byte) bool {
	length, ok := adtsLength(data)
	if !ok || len(data) < length {
		return false
	}
	_, ok = adtsLength(data[length:])
	return ok
}

func adtsLength(data []byte) (int, bool) {
	if len(data) < 7 || data[0] != 0xff || data[1]&0xf6 != 0xf0 {
		return 0, false
	}
	length := int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5]>>5)
	return length, length >= 7
}
