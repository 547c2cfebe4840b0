package app_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// mp3Seconds returns the duration of MPEG-1 layer III frames of 44.1 kHz and 128 kbit/s.
func mp3Seconds(t *testing.T, data []byte) float64 {
	t.Helper()
	frames := 0
	for at := 0; at < len(data); frames++ {
		if len(data)-at < 4 || data[at] != 0xff || data[at+1] != 0xfb || data[at+2]&0xfc != 0x90 {
			t.Fatalf("no frame at byte %d of %d", at, len(data))
		}
		at += 417 + int(data[at+2]>>1&1)
	}
	return float64(frames) * 1152 / 44100
}

// wavSeconds returns the duration of a WAV file whose data chunk is the last one.
func wavSeconds(t *testing.T, data []byte) float64 {
	t.Helper()
	at := bytes.Index(data, []byte("data"))
	if !bytes.HasPrefix(data, []byte("RIFF")) || at < 0 {
		t.Fatalf("not a WAV file: % x", data[:min(12, len(data))])
	}
	return float64(len(data)-at-8) / float64(binary.LittleEndian.Uint32(data[28:]))
}

// TestOriginalPageSpeechSpeed sends the requests of the original page, which sets the playback rate itself. If the file had
// that speed too, it would be applied twice.
func TestOriginalPageSpeechSpeed(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	const text = "The tide comes in, and the boats rise one by one. 潮水上涨了。"
	generate := func(changes fields) apptest.Response {
		body := fields{"text": text, "type": "audio", "voice": "nova"}
		for name, value := range changes {
			body[name] = value
		}
		resp := i.Do(t, http.MethodPost, "/api/generate", body)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%v: status %d: %s", changes, resp.StatusCode, resp.Data)
		}
		return resp
	}
	seconds := mp3Seconds(t, generate(nil).Data)
	for _, speed := range []any{0.25, 0.5, 1, 1.5, "2", 4} {
		resp := generate(fields{"mode": "tts", "speed": speed})
		if got := mp3Seconds(t, resp.Data); resp.Header.Get("Content-Type") != "audio/mpeg" || math.Abs(got-seconds) > 0.05 {
			t.Errorf("speed %v with the mode: %s of %.2f s, want %.2f s", speed, resp.Header.Get("Content-Type"), got, seconds)
		}
	}
	for _, speed := range []float64{0.5, 2} {
		resp := generate(fields{"speed": speed})
		if got := wavSeconds(t, resp.Data); math.Abs(got*speed/seconds-1) > 0.1 {
			t.Errorf("speed %v: %.2f s, want %.2f s", speed, got, seconds/speed)
		}
	}
}
