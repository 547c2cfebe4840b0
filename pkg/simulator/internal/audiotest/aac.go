package audiotest

import "testing"

// SplitADTS cuts AAC into its frames and checks that their headers agree.
func SplitADTS(tb testing.TB, data []byte) [][]byte {
	tb.Helper()
	var frames [][]byte
	for len(data) > 0 {
		// Sync, MPEG-4, no checksum; LC, 44.1 kHz, one channel.
		if len(data) < 7 || data[0] != 0xff || data[1] != 0xf1 || data[2] != 0x50 || data[3]&0xfc != 0x40 || data[6]&3 != 0 {
			tb.Fatalf("frame %d: unexpected header % x", len(frames), data[:min(7, len(data))])
		}
		size := int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5])>>5
		if size < 7 || size > len(data) {
			tb.Fatalf("frame %d of %d bytes is cut off", len(frames), size)
		}
		frames = append(frames, data[:size])
		data = data[size:]
	}
	return frames
}
