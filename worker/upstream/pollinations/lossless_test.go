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
		t.Error("the stream info is wrong")
	}
	return sound
}

// FLAC for models of ElevenLabs is encoded here, since the gateway returns raw PCM samples instead.
func TestFLACIsEncoded(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"", "elevenlabs", "elevenflash", "eleven-multilingual-v2", "elevenlabs/eleven-v3", "tts-1"} {
		for _, r := range []struct{ rate, channels, frames int }{{44100, 1, 44100}, {24000, 2, 4097}, {22050, 1, 8192}, {11025, 2, 5}, {37800, 1, 1}} {
			sound := &timestretch.Sound{Rate: r.rate, Channels: r.channels}
			for i := range r.frames * r.channels {
				sound.Samples = append(sound.Samples, int16(32767*math.Sin(float64(i*i)/1e5)))
			}
			sent := ""
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				sent = string(body)
				respond(sound.WAV(), "Content-Type", "audio/wav")(w, q)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Model: model, Format: "flac"})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(sent, `"response_format":"wav"`) || got.ContentType != "audio/flac" {
				t.Fatalf("requested %s, got %s", sent, got.ContentType)
			}
			back := unpackFLAC(t, got.Data)
			if back.Rate != r.rate || back.Channels != r.channels || !bytes.Equal(back.PCM(), sound.PCM()) {
				t.Errorf("%+v decodes to %d frames at %d", r, back.Frames(), back.Rate)
			}
		}
	}
}

// FLAC is requested from other models. Raw samples instead are a permanent error, since each retry would be billed.
func TestFLACOfOtherModels(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]struct {
		model, format, got string
		data               []byte
	}{
		"as requested":         {model: "kokoro", format: "flac", got: "audio/flac", data: []byte("fLaC\x00\x00\x00\x22")},
		"WAV":                  {model: "kokoro", format: "flac", got: "audio/flac", data: toneOf(0.1, 440)},
		"another format":       {model: "elevenlabs", format: "wav", got: "audio/mpeg", data: mp3Of(5)},
		"FLAC nevertheless":    {model: "elevenlabs", format: "wav", got: "audio/flac", data: []byte("fLaC\x00\x00\x00\x22")},
		"raw samples":          {model: "kokoro", format: "flac", data: toneOf(0.1, 440)[44:]},
		"raw samples at first": {model: "elevenlabs", format: "wav", data: toneOf(0.1, 440)[44:]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := ""
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				sent = string(body)
				respond(r.data, "Content-Type", "audio/flac")(w, q)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Model: r.model, Format: "flac"})
			if !strings.Contains(sent, `"response_format":"`+r.format+`"`) {
				t.Errorf("requested %s", sent)
			}
			if r.got == "" {
				upstreamtest.RequireError(t, err, fault.Permanent, job.CodeUnusable)
			} else if err != nil || got.ContentType != r.got {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
