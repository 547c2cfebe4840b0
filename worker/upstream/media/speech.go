package media

import (
	"bytes"
	"encoding/binary"
	"mime"
	"net/http"
	"strconv"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// CheckSpeech returns the audio in data with its type, which it detects from the bytes. It fails with a *fault.Error if data
// is not complete audio of a known type. The format is the requested one: raw samples are only recognized by it, and have
// their rate from the header, if that has one.
func CheckSpeech(data []byte, format string, header http.Header) (*Media, error) {
	if len(data) == 0 {
		return nil, upstream.InvalidResponse("audio is empty")
	}
	contentType := ""
	switch {
	case bytes.HasPrefix(data, []byte("OggS\x00")):
		contentType = "audio/ogg"
	case bytes.HasPrefix(data, []byte("fLaC")):
		contentType = "audio/flac"
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WAVE":
		if !riffIsComplete(data) {
			return nil, upstream.InvalidResponse("audio is cut off")
		}
		contentType = "audio/wav"
	case isADTS(data):
		contentType = "audio/aac"
	case isMP3(data):
		contentType = "audio/mpeg"
	case format == "pcm" && isSamples(data):
		contentType = "audio/pcm"
	case format == "flac" && isSamples(data):
		// The sample rate is unknown, and a retry would return and cost the same.
		return nil, upstream.UnusableResponse("response is raw PCM samples instead of FLAC")
	default:
		return nil, upstream.InvalidResponse("response is not audio")
	}
	m := &Media{ContentType: contentType, Data: data}
	if contentType == "audio/pcm" {
		m.SampleRate, m.Channels = typeParameter(header, "rate"), typeParameter(header, "channels")
	}
	return m, nil
}

// riffIsComplete reports whether data is as long as its RIFF header says. Streaming writers do not know the length and
// write 0 or a very large one.
func riffIsComplete(data []byte) bool {
	const unknown = 0x7fff0000
	if len(data) < 12 {
		return false
	}
	stated := binary.LittleEndian.Uint32(data[4:])
	return stated == 0 || stated >= unknown || uint64(stated)+8 <= uint64(len(data))
}

// isSamples reports whether data can be raw PCM samples, which have no signature: whole 16-bit samples that do not look
// like text.
func isSamples(data []byte) bool {
	if len(data)%2 != 0 {
		return false
	}
	for _, b := range data[:min(len(data), 256)] {
		if (b < ' ' || b > '~') && b != '\n' && b != '\r' && b != '\t' {
			return true
		}
	}
	return false
}

// typeParameter returns a parameter of the content type, as in audio/L16;rate=24000; 0 if there is none.
func typeParameter(header http.Header, name string) int {
	const maxValue = 384_000
	_, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(parameters[name])
	if err != nil || n < 0 || n > maxValue {
		return 0
	}
	return n
}
