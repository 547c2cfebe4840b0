package speech

import (
	_ "embed"
	"encoding/binary"
)

// The embedded frames of each codec: every syllable of every speaker, and one
// silent frame at the end. They are encoded so that each frame can be decoded
// alone. The tests TestEncodeClips, TestEncodeAACClips and TestEncodeOpusClips
// generate them from the synthesizer in waveform.go.
var (
	//go:embed assets/clips.mp3
	mp3Bytes []byte
	// aacBytes holds AAC-LC with ADTS headers.
	//go:embed assets/clips.aac
	aacBytes []byte
	// opusBytes holds packets, each behind its length in two bytes.
	//go:embed assets/clips.opus
	opusBytes []byte
)

const (
	mp3Rate    = 44100
	mp3Samples = 1152 // of a frame
	mp3Frames  = 7    // of a syllable

	aacRate    = 44100
	aacSamples = 1024 // of a frame
	aacFrames  = 8    // of a syllable

	opusRate    = 48000
	opusSamples = 960 // of a packet
	opusFrames  = 9   // packets of a syllable
)

// frames holds the frames of a codec, ready to be joined.
type frames struct {
	rate      int        // samples per second
	samples   int        // of a frame
	syllables [][][]byte // speaker by speaker
	silence   []byte
}

// newFrames takes perSyllable frames for each syllable of each speaker, and the
// last one for silence.
func newFrames(rate, samples, perSyllable int, all [][]byte) *frames {
	f := &frames{rate: rate, samples: samples}
	for range len(speakers()) * len(syllables()) {
		f.syllables = append(f.syllables, all[:perSyllable])
		all = all[perSyllable:]
	}
	f.silence = all[0]
	return f
}

// loadMP3 cuts the frames at their headers: constant 128 kbit/s at 44.1 kHz
// makes a frame 417 bytes, and one more when its padding bit is set.
func loadMP3() *frames {
	return newFrames(mp3Rate, mp3Samples, mp3Frames, split(mp3Bytes, 0, func(data []byte) int { return 417 + int(data[2]>>1&1) }))
}

// loadAAC cuts the frames at the lengths in their headers.
func loadAAC() *frames {
	return newFrames(aacRate, aacSamples, aacFrames, split(aacBytes, 0, func(data []byte) int {
		return int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5])>>5
	}))
}

// loadOpus cuts the packets at the lengths before them.
func loadOpus() *frames {
	return newFrames(opusRate, opusSamples, opusFrames, split(opusBytes, 2, func(data []byte) int { return 2 + int(binary.BigEndian.Uint16(data)) }))
}

// split cuts data into parts of the given sizes, and drops the header of each.
func split(data []byte, header int, size func(data []byte) int) [][]byte {
	var parts [][]byte
	for len(data) > 0 {
		n := size(data)
		parts = append(parts, data[header:n:n])
		data = data[n:]
	}
	return parts
}

// join returns the frames of a plan. A plan counts in frames of MP3, which may
// last longer or shorter: the next rest makes up for the difference, so that the
// duration stays right.
func (f *frames) join(plan []int, speaker int) [][]byte {
	offset := speaker * len(f.syllables) / len(speakers())
	var out [][]byte
	due := 0.0 // samples that should have been written
	silence := func() {
		for float64(len(out)*f.samples)+float64(f.samples)/2 <= due {
			out = append(out, f.silence)
		}
	}
	for _, number := range plan {
		const unit = float64(mp3Samples) / mp3Rate
		if number == rest {
			due += unit * float64(f.rate)
			silence()
			continue
		}
		due += mp3Frames * unit * float64(f.rate)
		out = append(out, f.syllables[offset+number]...)
	}
	silence()
	return out
}
