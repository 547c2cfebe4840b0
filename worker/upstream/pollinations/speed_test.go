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

// Another speed is really in the file, whichever the service was willing to make.
func TestSpeed(t *testing.T) {
	t.Parallel()
	whole := toneOf(2, 440)
	for _, format := range []string{"wav", "pcm"} {
		for _, speed := range []float64{0.25, 0.5, 1.5, 2, 4} {
			asked := ""
			client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				body := new(strings.Builder)
				_ = r.Write(body)
				asked = body.String()
				answer(whole, "Content-Type", "audio/wav", "X-Usage-Completion-Audio-Tokens", "5")(w, r)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Format: format, Speed: speed})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(asked, `"response_format":"wav"`) || strings.Contains(asked, "speed") {
				t.Errorf("asked %s", asked)
			}
			samples, head := got.Data, 0
			if format == "wav" {
				head = 44
				if rate := binary.LittleEndian.Uint32(got.Data[24:]); rate != 24000 {
					t.Errorf("rate %d", rate)
				}
			}
			want := float64(len(whole)-44) / speed
			if got.ContentType != "audio/"+format || math.Abs(float64(len(samples)-head)/want-1) > 0.03 {
				t.Errorf("%s at %v: %s of %d bytes, want %.0f", format, speed, got.ContentType, len(samples)-head, want)
			}
			if got.Usage.AudioCharacters != 5 || got.Model != "elevenlabs" {
				t.Errorf("got %+v of %s", got.Usage, got.Model)
			}
		}
	}
}

func TestSpeedRefused(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(http.ResponseWriter, *http.Request) { t.Error("the gateway was asked") })
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

func TestSpeedOfOtherRecordings(t *testing.T) {
	t.Parallel()
	wide := toneOf(1, 440)
	binary.LittleEndian.PutUint16(wide[34:], 24)
	for name, r := range map[string]struct {
		data  []byte
		class fault.Class
		code  string
	}{
		"mp3 in place of wav": {mp3Of(5), fault.Permanent, job.CodeUnusable},
		"24 bits":             {wide, fault.Permanent, job.CodeUnusable},
		"cut":                 {toneOf(1, 440)[:20000], fault.Retryable, job.CodeInvalidAnswer},
		"becomes too long":    {toneOf(6, 440), fault.Permanent, job.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, answer(r.data, "Content-Type", "audio/wav"), func(c *pollinations.Config) { c.SetMaxBytes(0, 400_000) })
			_, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: canaryPrompt, Format: "wav", Speed: 0.25})
			upstreamtest.RequireError(t, err, r.class, r.code)
			if f := upstreamtest.Error(t, err); f.Upstream != job.UpstreamSpeech {
				t.Errorf("error of %q", f.Upstream)
			}
		})
	}
}

// What would become longer than accepted keeps its length at a lower rate, since it has been paid for.
func TestSpeedOfLongRecordings(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"wav", "pcm"} {
		client := newClient(t, answer(toneOf(2, 440), "Content-Type", "audio/wav"), func(c *pollinations.Config) {
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

// Bare samples do not tell their rate, so they are taken out of a file that does, at any speed.
func TestSampleRate(t *testing.T) {
	t.Parallel()
	file := toneOf(1, 440)
	bare := file[44:]
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
		{"out of a file", file, "audio/wav", 1, "audio/pcm", 24000, 1, len(bare)},
		{"of another speed", file, "audio/wav", 2, "audio/pcm", 24000, 1, len(bare) / 2},
		{"bare, and the type says the rate", bare, "audio/L16; rate=16000; channels=2", 1, "audio/pcm", 16000, 2, len(bare)},
		{"bare, and nothing says the rate", bare, "audio/pcm", 1, "audio/pcm", 0, 0, len(bare)},
		{"bare, and the type says nonsense", bare, "audio/pcm;rate=-1", 1, "audio/pcm", 0, 0, len(bare)},
		{"another kind altogether", mp3Of(5), "audio/mpeg", 1, "audio/mpeg", 0, 0, 5 * 417},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			asked := ""
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				asked = string(body)
				answer(r.data, "Content-Type", r.sent)(w, q)
			})
			got, err := client.Speech(t.Context(), pollinations.SpeechRequest{Text: "hello", Format: "pcm", Speed: r.speed})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(asked, `"response_format":"wav"`) {
				t.Errorf("asked %s", asked)
			}
			if got.ContentType != r.contentType || got.SampleRate != r.rate || got.Channels != r.channels || len(got.Data) != r.length {
				t.Errorf("%s of %d bytes, rate %d, %d channels", got.ContentType, len(got.Data), got.SampleRate, got.Channels)
			}
		})
	}
}

// The work on a recording ends with the job that it is for.
func TestSpeedGivenUp(t *testing.T) {
	t.Parallel()
	recording := toneOf(1, 440)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := newClient(t, answer(recording, "Content-Type", "audio/wav"))
	media := &pollinations.Media{Data: recording}
	cancel()
	err := client.Retime(ctx, media, 2, "wav")
	upstreamtest.RequireError(t, err, fault.Canceled, fault.CodeCanceled)
}
