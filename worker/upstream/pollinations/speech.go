package pollinations

import (
	"bytes"
	"encoding/binary"
	"mime"
	"net/http"
	"strconv"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// readSpeech reads and checks a response. The wanted format is that of the caller, which may differ from that of the
// request.
func readSpeech(a *upstream.Response, r SpeechRequest, wanted string, inJSON bool) (*Media, error) {
	if f := errorImage(a); f != nil {
		return nil, f
	}
	if a.Compressed() {
		return nil, upstream.InvalidResponse("response is compressed, which was not asked for")
	}
	expected := "audio/"
	if inJSON {
		expected = "application/json"
	}
	if !isOfType(a.Header, expected) {
		return nil, a.UnexpectedError("content type is not "+expected, nil)
	}
	data, err := a.ReadAll()
	if err != nil {
		return nil, err
	}
	model := ""
	if inJSON {
		if err := reserveDecoded(a, data); err != nil {
			return nil, err
		}
		if data, model, err = unpackSpeech(a, data, r.text()); err != nil {
			return nil, err
		}
	}
	media, err := checkSpeech(data, wanted)
	if err != nil {
		return nil, err
	}
	if media.describe(a.Header); media.Model == "" {
		media.Model = model
	}
	if media.ContentType == "audio/pcm" {
		media.SampleRate, media.Channels = typeParameter(a.Header, "rate"), typeParameter(a.Header, "channels")
	}
	return media, nil
}

// typeParameter returns a number in the content type, as in audio/L16;rate=24000, or 0.
func typeParameter(header http.Header, name string) int {
	const most = 384_000
	_, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(parameters[name])
	if err != nil || n < 0 || n > most {
		return 0
	}
	return n
}

// checkSpeech checks a recording and detects its type from its bytes.
func checkSpeech(data []byte, format string) (*Media, error) {
	if len(data) == 0 {
		return nil, upstream.InvalidResponse("recording is empty")
	}
	contentType := ""
	switch {
	case bytes.HasPrefix(data, []byte("OggS\x00")):
		contentType = "audio/ogg"
	case bytes.HasPrefix(data, []byte("fLaC")):
		contentType = "audio/flac"
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WAVE":
		if !riffIsWhole(data) {
			return nil, upstream.InvalidResponse("recording is cut off")
		}
		contentType = "audio/wav"
	case isADTS(data):
		contentType = "audio/aac"
	case isMP3(data):
		contentType = "audio/mpeg"
	case format == "pcm" && isSamples(data):
		contentType = "audio/pcm"
	case format == "flac" && isSamples(data):
		// A repetition would return the same and cost as much. The sample rate is unknown.
		return nil, upstream.UnusableResponse("recording is raw PCM samples in place of FLAC")
	default:
		return nil, upstream.InvalidResponse("body is no recording")
	}
	return &Media{ContentType: contentType, Data: data}, nil
}

// riffIsWhole compares the length in a RIFF header with that of data. Streaming writers do not know the length and write
// a very large one.
func riffIsWhole(data []byte) bool {
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
