package pollinations_test

import (
	"bytes"
	"crypto/md5"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/mewkiz/flac"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// unpackFLAC returns the samples of a file, its channels taking turns, and checks the file's own sum of them.
func unpackFLAC(t *testing.T, data []byte) *timestretch.Sound {
	t.Helper()
	stream, err := flac.New(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	sound := &timestretch.Sound{Rate: int(stream.Info.SampleRate), Channels: int(stream.Info.NChannels)}
	for {
		f, err := stream.ParseNext()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Subframes[0].Samples {
			for _, s := range f.Subframes {
				sound.Samples = append(sound.Samples, int16(s.Samples[i]))
			}
		}
	}
	if got := md5.Sum(sound.PCM()); got != stream.Info.MD5sum || stream.Info.NSamples != uint64(sound.Frames()) {
		t.Error("what the file says of its samples is not true")
	}
	return sound
}

// FLAC of a voice of ElevenLabs is made here: the gateway asks for raw PCM samples then.
func TestFLACIsMadeHere(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"", "elevenlabs", "elevenflash", "eleven-multilingual-v2", "elevenlabs/eleven-v3", "tts-1"} {
		for _, r := range []struct{ rate, channels, frames int }{{44100, 1, 44100}, {24000, 2, 4097}, {22050, 1, 8192}, {11025, 2, 5}, {37800, 1, 1}} {
			sound := &timestretch.Sound{Rate: r.rate, Channels: r.channels}
			for i := range r.frames * r.channels {
				sound.Samples = append(sound.Samples, int16(32767*math.Sin(float64(i*i)/1e5)))
			}
			asked := ""
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				asked = string(body)
				answer(sound.WAV(), "Content-Type", "audio/wav")(w, q)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Model: model, Format: "flac"})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(asked, `"response_format":"wav"`) || got.ContentType != "audio/flac" {
				t.Fatalf("asked %s, got %s", asked, got.ContentType)
			}
			back := unpackFLAC(t, got.Data)
			if back.Rate != r.rate || back.Channels != r.channels || !bytes.Equal(back.PCM(), sound.PCM()) {
				t.Errorf("%+v came back with %d frames at %d", r, back.Frames(), back.Rate)
			}
		}
	}
}

// Other models are asked for FLAC itself. Bare samples in its place are billed each time, so that there is no second.
func TestFLACOfOtherModels(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]struct {
		model, asked, got string
		data              []byte
	}{
		"as asked":            {model: "kokoro", asked: "flac", got: "audio/flac", data: []byte("fLaC\x00\x00\x00\x22")},
		"WAV":                 {model: "kokoro", asked: "flac", got: "audio/flac", data: toneOf(0.1, 440)},
		"another compression": {model: "elevenlabs", asked: "wav", got: "audio/mpeg", data: mp3Of(5)},
		"FLAC all the same":   {model: "elevenlabs", asked: "wav", got: "audio/flac", data: []byte("fLaC\x00\x00\x00\x22")},
		"bare samples":        {model: "kokoro", asked: "flac", data: toneOf(0.1, 440)[44:]},
		"bare samples for it": {model: "elevenlabs", asked: "wav", data: toneOf(0.1, 440)[44:]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := ""
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				asked = string(body)
				answer(r.data, "Content-Type", "audio/flac")(w, q)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Model: r.model, Format: "flac"})
			if !strings.Contains(asked, `"response_format":"`+r.asked+`"`) {
				t.Errorf("asked %s", asked)
			}
			if r.got == "" {
				upstreamtest.RequireError(t, err, fault.Permanent, job.CodeUnusable)
			} else if err != nil || got.ContentType != r.got {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
