package simulator

import (
	_ "embed"
	"encoding/binary"
)

// clipBytes holds every syllable of every speaker, encoded with the frames
// standing alone, and one silent frame at the end. The test TestEncodeClips
// makes it from the synthesizer in waveform.go.
//
//go:embed assets/clips.mp3
var clipBytes []byte

// clips are the ready MP3 frames, cut from clipBytes without copying, and
// those of the other codecs.
type clips struct {
	syllables [][]byte // speaker by speaker
	silence   []byte
	adts      *strip
	packets   *strip
}

// loadClips cuts the embedded frames at their headers: constant 128 kbit/s at
// 44.1 kHz makes a frame 417 bytes, and one more when its padding bit is set.
func loadClips() *clips {
	c := &clips{adts: loadAAC(), packets: loadOpus()}
	at := 0
	next := func(frames int) []byte {
		begin := at
		for range frames {
			at += 417 + int(clipBytes[at+2]>>1&1)
		}
		return clipBytes[begin:at:at]
	}
	for range len(speakers()) * len(syllables()) {
		c.syllables = append(c.syllables, next(clipFrames))
	}
	c.silence = next(1)
	return c
}

// mp3 strings whole frames together as an utterance plans them.
func (c *clips) mp3(plan []int, speaker int) []byte {
	offset := speaker * len(c.syllables) / len(speakers())
	size := 0
	for _, sound := range plan {
		size += 418
		if sound != rest {
			size += 418 * (clipFrames - 1)
		}
	}
	out := make([]byte, 0, size)
	for _, sound := range plan {
		if sound == rest {
			out = append(out, c.silence...)
			continue
		}
		out = append(out, c.syllables[offset+sound]...)
	}
	return out
}

// pcmRate is the rate of WAV and raw samples.
const pcmRate = 24000

// pcm synthesizes an utterance as 16-bit little-endian mono samples, with
// room left in front for a header.
func pcm(plan []int, speaker, header int) []byte {
	const frame = frameSamples * pcmRate / frameRate
	voice := speakers()[speaker]
	said := make([][]byte, len(syllables()))
	out := make([]byte, header, header+len(plan)*clipFrames*frame*2)
	silence := make([]byte, frame*2)
	for _, sound := range plan {
		if sound == rest {
			out = append(out, silence...)
			continue
		}
		if said[sound] == nil {
			for _, sample := range syllables()[sound].render(voice, pcmRate, clipFrames*frame) {
				said[sound] = binary.LittleEndian.AppendUint16(said[sound], uint16(sample)) //nolint:gosec // Two's complement is the format.
			}
		}
		out = append(out, said[sound]...)
	}
	return out
}

// wav synthesizes an utterance as a RIFF file.
func wav(plan []int, speaker int) []byte {
	const header = 44
	out := pcm(plan, speaker, header)
	size := uint32(len(out)) //nolint:gosec // Texts are bounded, far below 4 GiB.
	head := append(out[:0], "RIFF"...)
	head = binary.LittleEndian.AppendUint32(head, size-8)
	head = append(head, "WAVEfmt "...)
	head = binary.LittleEndian.AppendUint32(head, 16)
	head = binary.LittleEndian.AppendUint16(head, 1) // PCM
	head = binary.LittleEndian.AppendUint16(head, 1) // mono
	head = binary.LittleEndian.AppendUint32(head, pcmRate)
	head = binary.LittleEndian.AppendUint32(head, pcmRate*2)
	head = binary.LittleEndian.AppendUint16(head, 2)
	head = binary.LittleEndian.AppendUint16(head, 16)
	head = append(head, "data"...)
	binary.LittleEndian.AppendUint32(head, size-header)
	return out
}
