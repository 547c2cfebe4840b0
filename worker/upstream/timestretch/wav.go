package timestretch

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrFormat is returned for data that is not a WAV file of 16-bit PCM samples, mono or stereo.
var ErrFormat = errors.New("not a WAV file of 16-bit samples")

// Sound is audio of 16-bit samples with interleaved channels.
type Sound struct {
	// Rate is in frames per second; a frame is one sample of each channel.
	Rate     int
	Channels int
	Samples  []int16
}

// The sample formats of a header.
const (
	formatPCM        = 1
	formatExtensible = 0xfffe
)

// The limits of the values in a header.
const (
	minRate     = 1000
	maxRate     = 384_000
	maxChannels = 2
)

// header has the relevant fields of the fmt chunk.
type header struct {
	format, channels, bits uint16
	rate                   uint32
}

// ParseWAV parses a WAV file of 16-bit samples, mono or stereo. It fails with ErrFormat for anything else. A data chunk of
// unknown length, as streaming writers leave it, or one that extends beyond data, ends at the end of data. The samples are
// copied.
func ParseWAV(data []byte) (*Sound, error) {
	body, rate, channels, err := RawPCM(data)
	if err != nil {
		return nil, err
	}
	samples := make([]int16, len(body)/2)
	for i := range samples {
		//nolint:gosec // The bits of a sample are reinterpreted.
		samples[i] = int16(binary.LittleEndian.Uint16(body[2*i:]))
	}
	return &Sound{Rate: rate, Channels: channels, Samples: samples}, nil
}

// RawPCM returns the little-endian samples of a WAV file with their rate and channels. It fails as ParseWAV does. The
// samples share the memory of data; an incomplete last frame is dropped.
func RawPCM(data []byte) (samples []byte, rate, channels int, err error) {
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return nil, 0, 0, fmt.Errorf("read RIFF header: %w", ErrFormat)
	}
	var format *header
	for rest := data[12:]; len(rest) >= 8; {
		name, length := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[8:]
		body := rest[:min(length, uint64(len(rest)))]
		switch name {
		case "fmt ":
			if format, err = parseHeader(body); err != nil {
				return nil, 0, 0, err
			}
		case "data":
			if format == nil {
				return nil, 0, 0, fmt.Errorf("data chunk before fmt chunk: %w", ErrFormat)
			}
			if length == 0 {
				body = rest
			}
			frame := 2 * int(format.channels)
			return body[:len(body)/frame*frame], int(format.rate), int(format.channels), nil
		}
		// A chunk of odd length is followed by one byte of padding.
		rest = rest[min(length+length&1, uint64(len(rest))):]
	}
	return nil, 0, 0, fmt.Errorf("find data chunk: %w", ErrFormat)
}

func parseHeader(body []byte) (*header, error) {
	if len(body) < 16 {
		return nil, fmt.Errorf("read fmt chunk: %w", ErrFormat)
	}
	h := &header{
		format:   binary.LittleEndian.Uint16(body),
		channels: binary.LittleEndian.Uint16(body[2:]),
		rate:     binary.LittleEndian.Uint32(body[4:]),
		bits:     binary.LittleEndian.Uint16(body[14:]),
	}
	// An extensible fmt chunk has the format at the start of its sub-format GUID.
	if h.format == formatExtensible && len(body) >= 26 {
		h.format = binary.LittleEndian.Uint16(body[24:])
	}
	switch {
	case h.format != formatPCM || h.bits != 16:
		return nil, fmt.Errorf("not 16-bit PCM: %w", ErrFormat)
	case h.channels < 1 || h.channels > maxChannels:
		return nil, fmt.Errorf("%d channels: %w", h.channels, ErrFormat)
	case h.rate < minRate || h.rate > maxRate:
		return nil, fmt.Errorf("sample rate %d: %w", h.rate, ErrFormat)
	}
	return h, nil
}

// Frames returns the length in frames.
func (s *Sound) Frames() int { return len(s.Samples) / max(s.Channels, 1) }

// PCM returns the samples as little-endian bytes.
func (s *Sound) PCM() []byte { return s.appendSamples(make([]byte, 0, 2*len(s.Samples))) }

// WAV returns the sound as a WAV file.
func (s *Sound) WAV() []byte {
	const head = 44
	length, frame := 2*len(s.Samples), 2*s.Channels
	out := make([]byte, 0, head+length)
	out = append(out, "RIFF"...)
	out = append32(out, head-8+length)
	out = append(out, "WAVEfmt "...)
	out = append32(out, 16)
	out = append16(out, formatPCM)
	out = append16(out, s.Channels)
	out = append32(out, s.Rate)
	out = append32(out, s.Rate*frame)
	out = append16(out, frame)
	out = append16(out, 16)
	out = append(out, "data"...)
	out = append32(out, length)
	return s.appendSamples(out)
}

func (s *Sound) appendSamples(out []byte) []byte {
	for _, sample := range s.Samples {
		out = append(out, byte(sample), byte(sample>>8)) //nolint:gosec // The bytes of a sample.
	}
	return out
}

func append16(out []byte, n int) []byte {
	return binary.LittleEndian.AppendUint16(out, uint16(n)) //nolint:gosec // The values are small.
}

func append32(out []byte, n int) []byte {
	return binary.LittleEndian.AppendUint32(out, uint32(n)) //nolint:gosec // Lengths are bounded by memory.
}
