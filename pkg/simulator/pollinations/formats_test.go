package pollinations_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/audiotest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// decodeWithFFmpeg checks the audio with an independent decoder.
var decodeWithFFmpeg = flag.Bool("ffmpeg", false, "decode every format of speech with ffmpeg as well")

// TestEveryFormatMatchesTheText parses each file, as far as possible without a
// decoder, and compares its duration with that of the samples.
func TestEveryFormatMatchesTheText(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	seconds := map[string]func(*testing.T, []byte) float64{
		"pcm":  func(_ *testing.T, b []byte) float64 { return float64(len(b)) / 2 / 24000 },
		"wav":  func(_ *testing.T, b []byte) float64 { return float64(len(b)-44) / 2 / 24000 },
		"flac": func(t *testing.T, b []byte) float64 { return float64(len(audiotest.DecodeFLAC(t, b))) / 24000 },
		"aac":  func(t *testing.T, b []byte) float64 { return float64(len(audiotest.SplitADTS(t, b))) * 1024 / 44100 },
		"opus": func(t *testing.T, b []byte) float64 { return audiotest.OpusSeconds(t, b) },
		"mp3":  func(t *testing.T, b []byte) float64 { n, _ := audiotest.DecodeMP3(t, b); return n },
	}
	types := map[string]string{"pcm": "audio/pcm", "wav": "audio/wav", "flac": "audio/flac", "aac": "audio/aac", "opus": "audio/opus", "mp3": "audio/mpeg"}
	for _, text := range []string{
		"Hi", "The quick brown fox jumps over the lazy dog.", strings.Repeat("A rather long story, told slowly. ", 20), "一只猫在月光下，慢慢地走。",
		strings.Repeat("今天天气很好，我们去公园吧。", 8), "...", "👍🎉",
	} {
		for _, voice := range []string{"onyx", "nova"} {
			speak := func(format string) wiretest.Response {
				a := wiretest.Post(t, s.URL()+"/v1/audio/speech", fmt.Sprintf(`{"input":%q,"voice":%q,"response_format":%q}`, text, voice, format))
				if a.Status != http.StatusOK || a.Header.Get("Content-Type") != types[format] {
					t.Fatalf("%s: status %d, %s", format, a.Status, a.Header.Get("Content-Type"))
				}
				return a
			}
			want := seconds["pcm"](t, speak("pcm").Body)
			for format, measure := range seconds {
				a := speak(format)
				if got := measure(t, a.Body); math.Abs(got-want) > 0.03*want+0.05 {
					t.Errorf("%.20q as %s: %.2f s, as samples %.2f s", text, format, got, want)
				}
				if *decodeWithFFmpeg && format != "pcm" {
					probe(t, format, a.Body, want)
				}
			}
		}
	}
}

// TestFLACDecodesToTheSamples compares the decoded samples with the raw samples.
func TestFLACDecodesToTheSamples(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, text := range []string{"Hi", "All the sounds that there are, one after another, softly and LOUDLY!", strings.Repeat("猫", 300)} {
		body := fmt.Sprintf(`{"input":%q,"voice":"echo","response_format":`, text)
		raw := wiretest.Post(t, s.URL()+"/v1/audio/speech", body+`"pcm"}`).Body
		compressed := wiretest.Post(t, s.URL()+"/v1/audio/speech", body+`"flac"}`).Body
		var samples []byte
		for _, v := range audiotest.DecodeFLAC(t, compressed) {
			samples = binary.LittleEndian.AppendUint16(samples, uint16(v))
		}
		if !bytes.Equal(samples, raw) {
			t.Errorf("%.20q: %d bytes of samples differ from %d", text, len(samples), len(raw))
		}
		if len(compressed) > len(raw)*3/4 {
			t.Errorf("%.20q: %d bytes compressed to %d", text, len(raw), len(compressed))
		}
	}
}

// TestSpokenChatsSupportEveryFormat requests every format from the chat model that
// speaks.
func TestSpokenChatsSupportEveryFormat(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for format, mark := range map[string]string{"mp3": "\xff\xfb", "wav": "RIFF", "flac": "fLaC", "opus": "OggS", "aac": "\xff\xf1"} {
		body := `{"model":"openai-audio","modalities":["text","audio"],"audio":{"voice":"nova","format":"` + format + `"},"messages":[{"role":"user","content":"hello there"}]}`
		for _, path := range []string{"/v1/chat/completions", "/legacy-text/openai"} {
			a := wiretest.Post(t, s.URL()+path, body)
			data, err := base64.StdEncoding.DecodeString(wiretest.At(t, a.Fields(t), "choices", 0, "message", "audio", "data").(string))
			if err != nil || !strings.HasPrefix(string(data), mark) {
				t.Errorf("%s as %s: %v, % x", path, format, err, data[:min(4, len(data))])
			}
		}
	}
}

// probe decodes a file with ffmpeg and checks its duration.
func probe(t *testing.T, format string, data []byte, want float64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "speech."+format)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	decoder := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-xerror", "-i", path, "-ac", "1", "-ar", "8000", "-f", "s16le", "-")
	var complaints bytes.Buffer
	decoder.Stderr = &complaints
	samples, err := decoder.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("%s: %v: %s", format, err, complaints.String())
		return
	}
	var loudness float64
	for n := 0; n+1 < len(samples); n += 2 {
		v := float64(int16(binary.LittleEndian.Uint16(samples[n:])))
		loudness += v * v
	}
	loudness = math.Sqrt(loudness / float64(len(samples)/2))
	if got := float64(len(samples)) / 2 / 8000; math.Abs(got-want) > 0.15*want+0.05 || loudness < 300 {
		t.Errorf("%s: ffmpeg decodes %.2f s of loudness %.0f, want %.2f s", format, got, loudness, want)
	}
	duration, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path).Output()
	seconds, parseErr := strconv.ParseFloat(strings.TrimSpace(string(duration)), 64)
	if err != nil || parseErr != nil || math.Abs(seconds-want) > 0.15*want+0.06 {
		t.Errorf("%s: ffprobe reports %q, want %.2f s: %v", format, duration, want, err)
	}
}
