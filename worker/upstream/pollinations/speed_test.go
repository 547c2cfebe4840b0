package pollinations_test

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/timestretch"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// toneOf returns a WAV file of a sine.
func toneOf(seconds, pitch float64) []byte {
	const rate = 24000
	s := timestretch.Sound{Rate: rate, Channels: 1, Samples: make([]int16, int(seconds*rate))}
	for i := range s.Samples {
		s.Samples[i] = int16(10000 * math.Sin(2*math.Pi*pitch*float64(i)/rate))
	}
	return s.WAV()
}

// The audio has the requested speed, which the service does not support.
func TestSpeed(t *testing.T) {
	t.Parallel()
	tone := toneOf(2, 440)
	for _, format := range []string{"wav", "pcm"} {
		for _, speed := range []float64{0.25, 0.5, 1.5, 2, 4} {
			sent := ""
			client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				body := new(strings.Builder)
				_ = r.Write(body)
				sent = body.String()
				respond(tone, "Content-Type", "audio/wav", "X-Usage-Completion-Audio-Tokens", "5")(w, r)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Format: format, Speed: speed})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(sent, `"response_format":"wav"`) || strings.Contains(sent, "speed") {
				t.Errorf("requested %s", sent)
			}
			samples, head := got.Data, 0
			if format == "wav" {
				head = 44
				if rate := binary.LittleEndian.Uint32(got.Data[24:]); rate != 24000 {
					t.Errorf("rate %d", rate)
				}
			}
			want := float64(len(tone)-44) / speed
			if got.ContentType != "audio/"+format || math.Abs(float64(len(samples)-head)/want-1) > 0.03 {
				t.Errorf("%s at %v: %s of %d bytes, want %.0f", format, speed, got.ContentType, len(samples)-head, want)
			}
			if got.Usage.AudioCharacters != 5 || got.Model != "elevenlabs" {
				t.Errorf("got %+v of %s", got.Usage, got.Model)
			}
		}
	}
}

func TestSpeedRejected(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(http.ResponseWriter, *http.Request) { t.Error("the gateway was called") })
	for _, r := range []pollinations.SpeechRequest{
		{Speed: 1.5},
		{Speed: 1.5, Format: "mp3"},
		{Speed: 0.9, Format: "opus"},
		{Speed: 2, Format: "aac"},
		{Speed: 2, Format: "flac"},
		{Speed: 0.2, Format: "wav"},
		{Speed: 4.1, Format: "wav"},
		{Speed: -1, Format: "pcm"},
		{Speed: math.NaN(), Format: "wav"},
	} {
		r.Text = "hello"
		_, err := client.Speech(t.Context(), r)
		upstreamtest.RequireError(t, err, fault.Permanent, job.CodeRejected)
	}
}

func TestSpeedOfUnusableAudio(t *testing.T) {
	t.Parallel()
	wide := toneOf(1, 440)
	binary.LittleEndian.PutUint16(wide[34:], 24)
	for name, r := range map[string]struct {
		data  []byte
		class fault.Class
		code  string
	}{
		"mp3 instead of wav": {mp3Of(5), fault.Permanent, job.CodeUnusable},
		"24 bits":            {wide, fault.Permanent, job.CodeUnusable},
		"cut":                {toneOf(1, 440)[:20000], fault.Retryable, job.CodeInvalidAnswer},
		"result too large":   {toneOf(6, 440), fault.Permanent, job.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, respond(r.data, "Content-Type", "audio/wav"), func(c *pollinations.Config) { c.SetMaxBytes(0, 400_000) })
			_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: canaryPrompt, Format: "wav", Speed: 0.25})
			upstreamtest.RequireError(t, err, r.class, r.code)
			if f := upstreamtest.Error(t, err); f.Upstream != job.UpstreamSpeech {
				t.Errorf("error of %q", f.Upstream)
			}
		})
	}
}

// A result above the size limit keeps its duration at a lower sample rate, since it has been billed.
func TestSpeedReducesTheSampleRate(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"wav", "pcm"} {
		client := newClient(t, respond(toneOf(2, 440), "Content-Type", "audio/wav"), func(c *pollinations.Config) {
			c.SetMaxBytes(0, 150_000)
		})
		got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Format: format, Speed: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		samples, rate := len(got.Data), got.SampleRate
		if format == "wav" {
			samples, rate = samples-44, int(binary.LittleEndian.Uint32(got.Data[24:]))
		}
		if rate != 12000 || math.Abs(float64(samples)/(4*2*12000)-1) > 0.03 {
			t.Errorf("%s: %d bytes at a rate of %d", format, samples, rate)
		}
	}
}

// Raw samples do not contain their rate, so they are taken from a WAV file.
func TestSampleRate(t *testing.T) {
	t.Parallel()
	file := toneOf(1, 440)
	raw := file[44:]
	rows := []struct {
		name        string
		data        []byte
		sent        string
		speed       float64
		contentType string
		rate        int
		channels    int
		length      int
	}{
		{"from a WAV file", file, "audio/wav", 1, "audio/pcm", 24000, 1, len(raw)},
		{"at another speed", file, "audio/wav", 2, "audio/pcm", 24000, 1, len(raw) / 2},
		{"raw, with a rate in the type", raw, "audio/L16; rate=16000; channels=2", 1, "audio/pcm", 16000, 2, len(raw)},
		{"raw, without a rate", raw, "audio/pcm", 1, "audio/pcm", 0, 0, len(raw)},
		{"raw, with an invalid rate", raw, "audio/pcm;rate=-1", 1, "audio/pcm", 0, 0, len(raw)},
		{"another format", mp3Of(5), "audio/mpeg", 1, "audio/mpeg", 0, 0, 5 * 417},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			sent := ""
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				sent = string(body)
				respond(r.data, "Content-Type", r.sent)(w, q)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Format: "pcm", Speed: r.speed})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(sent, `"response_format":"wav"`) {
				t.Errorf("requested %s", sent)
			}
			if got.ContentType != r.contentType || got.SampleRate != r.rate || got.Channels != r.channels || len(got.Data) != r.length {
				t.Errorf("%s of %d bytes, rate %d, %d channels", got.ContentType, len(got.Data), got.SampleRate, got.Channels)
			}
		})
	}
}

// The speed change stops when its context is canceled.
func TestSpeedIsCanceled(t *testing.T) {
	t.Parallel()
	audio := toneOf(1, 440)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := newClient(t, respond(audio, "Content-Type", "audio/wav"))
	media := &pollinations.Media{Data: audio}
	cancel()
	err := client.ChangeSpeed(ctx, media, 2, "wav")
	upstreamtest.RequireError(t, err, fault.Canceled, fault.CodeCanceled)
}
