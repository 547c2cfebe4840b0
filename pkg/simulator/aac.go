package simulator

import (
	_ "embed"
	"slices"
)

// aacBytes holds every syllable of every speaker as frames of AAC-LC with
// their ADTS headers, and a silent frame at the end. TestEncodeAACClips makes
// it from the synthesizer in waveform.go.
//
//go:embed assets/clips.aac
var aacBytes []byte

const (
	aacRate    = 44100
	aacSamples = 1024 // of a frame
	aacFrames  = 8    // of a syllable
)

// loadAAC cuts the embedded frames at their headers.
func loadAAC() *strip { return cutStrip(aacRate, aacSamples, aacFrames, splitADTS(aacBytes)) }

// splitADTS cuts frames at the lengths that their headers tell.
func splitADTS(data []byte) [][]byte {
	var frames [][]byte
	for len(data) > 0 {
		size := int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5])>>5
		frames = append(frames, data[:size:size])
		data = data[size:]
	}
	return frames
}

// aac strings ADTS frames together, which are a stream as they are.
func (c *clips) aac(plan []int, speaker int) []byte {
	return slices.Concat(c.adts.utter(plan, speaker)...)
}
