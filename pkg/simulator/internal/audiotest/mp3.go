// Package audiotest takes the audio of the simulator apart, for tests. Each
// function fails the test when the data is malformed.
package audiotest

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"testing"

	"github.com/hajimehoshi/go-mp3"
)

// DecodeMP3 decodes a whole MP3 and returns its duration in seconds and the root
// mean square of its samples.
func DecodeMP3(tb testing.TB, data []byte) (seconds, loudness float64) {
	tb.Helper()
	decoder, err := mp3.NewDecoder(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	samples, err := io.ReadAll(decoder) // 16-bit stereo, whatever the source is.
	if err != nil {
		tb.Fatal(err)
	}
	if decoder.SampleRate() != 44100 {
		tb.Fatalf("%d Hz", decoder.SampleRate())
	}
	for n := 0; n+1 < len(samples); n += 2 {
		v := float64(int16(binary.LittleEndian.Uint16(samples[n:])))
		loudness += v * v
	}
	return float64(len(samples)) / 4 / 44100, math.Sqrt(loudness / float64(len(samples)/2))
}

// SplitMP3 cuts a stream of constant 128 kbit/s at 44.1 kHz into its frames.
func SplitMP3(tb testing.TB, mp3 []byte) [][]byte {
	tb.Helper()
	var frames [][]byte
	for len(mp3) > 0 {
		if len(mp3) < 4 || mp3[0] != 0xff || mp3[1] != 0xfb || mp3[2]&0xfc != 0x90 {
			tb.Fatalf("frame %d: unexpected header % x", len(frames), mp3[:min(4, len(mp3))])
		}
		size := 417 + int(mp3[2]>>1&1)
		if len(mp3) < size {
			tb.Fatalf("frame %d is cut off", len(frames))
		}
		frames = append(frames, mp3[:size])
		mp3 = mp3[size:]
	}
	return frames
}
