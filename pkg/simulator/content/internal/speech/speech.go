// Package speech synthesizes the audio of the simulated upstreams. Text becomes
// syllables of an invented language, so that the duration matches the text and
// the voice; it is not understandable. WAV, raw samples and FLAC are synthesized
// on request. MP3, AAC and Opus are assembled from embedded frames, because Go
// has no encoders for them.
package speech

import (
	"encoding/binary"
	"slices"
)

// Speech encodes text as audio. It is safe for concurrent use.
type Speech struct{ mp3, aac, opus *frames }

// New cuts the embedded audio into frames, without copying it.
func New() *Speech { return &Speech{mp3: loadMP3(), aac: loadAAC(), opus: loadOpus()} }

// Encode speaks a text with a voice. The format is mp3, wav, pcm, flac, aac or
// opus; an unknown one is encoded as MP3. The cost is a few milliseconds for a
// sentence of WAV, PCM or FLAC, and less for the other formats.
func (s *Speech) Encode(text, voice, format string) (data []byte, contentType string) {
	plan, speaker := newPlan(text, voice), speakerOf(voice)
	switch format {
	case "wav":
		return wav(plan, speaker), "audio/wav"
	case "pcm":
		return pcm(plan, speaker, 0), "audio/pcm"
	case "flac":
		return encodeFLAC(plan, speaker), "audio/flac"
	case "aac":
		return slices.Concat(s.aac.join(plan, speaker)...), "audio/aac"
	case "opus":
		return ogg(s.opus.join(plan, speaker)), "audio/opus"
	default:
		return slices.Concat(s.mp3.join(plan, speaker)...), "audio/mpeg"
	}
}

// pcmRate is the sample rate of WAV, FLAC and raw samples.
const pcmRate = 24000

// pcm synthesizes a plan as 16-bit little-endian mono samples, behind the given
// number of bytes for a header.
func pcm(plan []int, speaker, header int) []byte {
	const frame = mp3Samples * pcmRate / mp3Rate
	voice := speakers()[speaker]
	rendered := make([][]byte, len(syllables()))
	out := make([]byte, header, header+len(plan)*mp3Frames*frame*2)
	silence := make([]byte, frame*2)
	for _, number := range plan {
		if number == rest {
			out = append(out, silence...)
			continue
		}
		if rendered[number] == nil {
			for _, sample := range syllables()[number].render(voice, pcmRate, mp3Frames*frame) {
				rendered[number] = binary.LittleEndian.AppendUint16(rendered[number], uint16(sample)) //nolint:gosec // The format is two's complement.
			}
		}
		out = append(out, rendered[number]...)
	}
	return out
}

// wav synthesizes a plan as a RIFF file.
func wav(plan []int, speaker int) []byte {
	const header = 44
	out := pcm(plan, speaker, header)
	size := uint32(len(out)) //nolint:gosec // Texts are bounded; the audio stays far below 4 GiB.
	for offset, value := range map[int]uint32{
		4: size - 8, 16: 16, 20: 1<<16 | 1, 24: pcmRate, 28: pcmRate * 2, 32: 16<<16 | 2, 40: size - header, // mono PCM of 16 bits
	} {
		binary.LittleEndian.PutUint32(out[offset:], value)
	}
	for offset, text := range map[int]string{0: "RIFF", 8: "WAVEfmt ", 36: "data"} {
		copy(out[offset:], text)
	}
	return out
}
