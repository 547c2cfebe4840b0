package simulator_test

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

	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// decodeWithFFmpeg has a decoder of others judge what is made here.
var decodeWithFFmpeg = flag.Bool("ffmpeg", false, "decode every format of speech with ffmpeg as well")

// splitADTS cuts AAC at its headers, which must all say the same.
func splitADTS(t *testing.T, data []byte) [][]byte {
	t.Helper()
	var frames [][]byte
	for len(data) > 0 {
		// Sync, MPEG-4, no checksum; LC, 44.1 kHz, one channel.
		if len(data) < 7 || data[0] != 0xff || data[1] != 0xf1 || data[2] != 0x50 || data[3]&0xfc != 0x40 || data[6]&3 != 0 {
			t.Fatalf("frame %d: unexpected header % x", len(frames), data[:min(7, len(data))])
		}
		size := int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5])>>5
		if size < 7 || size > len(data) {
			t.Fatalf("frame %d of %d bytes is cut off", len(frames), size)
		}
		frames = append(frames, data[:size])
		data = data[size:]
	}
	return frames
}

// oggFile is what the pages of one stream hold.
type oggFile struct {
	packets [][]byte
	granule uint64
}

// readOgg reads every page and checks its place and its sum.
func readOgg(t *testing.T, data []byte) (file oggFile) {
	t.Helper()
	var serial uint32
	for page := uint32(0); len(data) > 0; page++ {
		if len(data) < 27 || string(data[:5]) != "OggS\x00" {
			t.Fatalf("page %d: % x", page, data[:min(27, len(data))])
		}
		little := binary.LittleEndian
		if page == 0 {
			serial = little.Uint32(data[14:])
		}
		lacing := data[27 : 27+int(data[26])]
		size := 27 + len(lacing)
		var packet []byte
		for _, n := range lacing {
			packet = append(packet, data[size:size+int(n)]...)
			size += int(n)
			if n < 255 {
				file.packets, packet = append(file.packets, packet), nil
			}
		}
		flags, last := data[5], size == len(data)
		if packet != nil || little.Uint32(data[14:]) != serial || little.Uint32(data[18:]) != page || flags&1 != 0 ||
			(flags&2 != 0) != (page == 0) || (flags&4 != 0) != last {
			t.Fatalf("page %d: header % x", page, data[:27])
		}
		stated := little.Uint32(data[22:])
		whole := append(append(bytes.Clone(data[:22]), 0, 0, 0, 0), data[26:size]...)
		var sum uint32
		for _, b := range whole {
			for bit := 7; bit >= 0; bit-- {
				carry := sum>>31 ^ uint32(b>>bit&1)
				sum = sum<<1 ^ carry*0x04c11db7
			}
		}
		if sum != stated {
			t.Fatalf("page %d: sum %08x, stated %08x", page, sum, stated)
		}
		file.granule = little.Uint64(data[6:])
		data = data[size:]
	}
	return file
}

// TestEveryFormatIsAsLongAsItsText takes each file apart, as far as that goes
// without a decoder, and compares its length with that of the samples.
func TestEveryFormatIsAsLongAsItsText(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	seconds := map[string]func(*testing.T, []byte) float64{
		"pcm":  func(_ *testing.T, b []byte) float64 { return float64(len(b)) / 2 / 24000 },
		"wav":  func(_ *testing.T, b []byte) float64 { return float64(len(b)-44) / 2 / 24000 },
		"flac": func(t *testing.T, b []byte) float64 { return float64(len(decodeFLAC(t, b))) / 24000 },
		"aac":  func(t *testing.T, b []byte) float64 { return float64(len(splitADTS(t, b))) * 1024 / 44100 },
		"opus": func(t *testing.T, b []byte) float64 { return opusSeconds(t, b) },
		"mp3":  func(t *testing.T, b []byte) float64 { n, _ := decodeMP3(t, b); return n },
	}
	types := map[string]string{"pcm": "audio/pcm", "wav": "audio/wav", "flac": "audio/flac", "aac": "audio/aac", "opus": "audio/opus", "mp3": "audio/mpeg"}
	for _, text := range []string{
		"Hi", "The quick brown fox jumps over the lazy dog.", strings.Repeat("A rather long story, told slowly. ", 20), "一只猫在月光下，慢慢地走。",
		strings.Repeat("今天天气很好，我们去公园吧。", 8), "...", "👍🎉",
	} {
		for _, voice := range []string{"onyx", "nova"} {
			speak := func(format string) answer {
				a := post(t, s.URL()+"/v1/audio/speech", fmt.Sprintf(`{"input":%q,"voice":%q,"response_format":%q}`, text, voice, format))
				if a.status != http.StatusOK || a.header.Get("Content-Type") != types[format] {
					t.Fatalf("%s: status %d, %s", format, a.status, a.header.Get("Content-Type"))
				}
				return a
			}
			want := seconds["pcm"](t, speak("pcm").body)
			for format, measure := range seconds {
				a := speak(format)
				if got := measure(t, a.body); math.Abs(got-want) > 0.03*want+0.05 {
					t.Errorf("%.20q as %s: %.2f s, as samples %.2f s", text, format, got, want)
				}
				if *decodeWithFFmpeg && format != "pcm" {
					probe(t, format, a.body, want)
				}
			}
		}
	}
}

// opusSeconds checks the two heads and the sums of an Ogg file, and adds up
// what its packets say.
func opusSeconds(t *testing.T, data []byte) float64 {
	t.Helper()
	file := readOgg(t, data)
	head, tags, packets := file.packets[0], file.packets[1], file.packets[2:]
	if len(head) != 19 || string(head[:10]) != "OpusHead\x01\x01" || string(tags[:8]) != "OpusTags" {
		t.Fatalf("heads % x, % x", head, tags)
	}
	for n, packet := range packets {
		// The first byte names the mode; of those that libopus uses each third config lasts 20 ms.
		config, code := packet[0]>>3, packet[0]&3
		if code != 0 || (config < 16 && config%4 != 1 && config%2 != 1) || (config >= 16 && config%4 != 3) {
			t.Fatalf("packet %d begins with %02x", n, packet[0])
		}
	}
	if want := uint64(len(packets) * 960); file.granule != want {
		t.Errorf("the last page ends at %d, want %d", file.granule, want)
	}
	return float64(len(packets)) * 0.02
}

// TestFLACHoldsTheSamples decodes and compares with the raw samples.
func TestFLACHoldsTheSamples(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, text := range []string{"Hi", "All the sounds that there are, one after another, softly and LOUDLY!", strings.Repeat("猫", 300)} {
		body := fmt.Sprintf(`{"input":%q,"voice":"echo","response_format":`, text)
		raw := post(t, s.URL()+"/v1/audio/speech", body+`"pcm"}`).body
		packed := post(t, s.URL()+"/v1/audio/speech", body+`"flac"}`).body
		var samples []byte
		for _, v := range decodeFLAC(t, packed) {
			samples = binary.LittleEndian.AppendUint16(samples, uint16(v))
		}
		if !bytes.Equal(samples, raw) {
			t.Errorf("%.20q: %d bytes of samples differ from %d", text, len(samples), len(raw))
		}
		if len(packed) > len(raw)*3/4 {
			t.Errorf("%.20q: %d bytes packed into %d", text, len(raw), len(packed))
		}
	}
}

// TestSpokenChatsKnowEveryFormat asks the chat model that speaks.
func TestSpokenChatsKnowEveryFormat(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for format, mark := range map[string]string{"mp3": "\xff\xfb", "wav": "RIFF", "flac": "fLaC", "opus": "OggS", "aac": "\xff\xf1"} {
		body := `{"model":"openai-audio","modalities":["text","audio"],"audio":{"voice":"nova","format":"` + format + `"},"messages":[{"role":"user","content":"hello there"}]}`
		for _, path := range []string{"/v1/chat/completions", "/legacy-text/openai"} {
			a := post(t, s.URL()+path, body)
			data, err := base64.StdEncoding.DecodeString(at(t, a.fields(t), "choices", 0, "message", "audio", "data").(string))
			if err != nil || !strings.HasPrefix(string(data), mark) {
				t.Errorf("%s as %s: %v, % x", path, format, err, data[:min(4, len(data))])
			}
		}
	}
}

// probe has ffmpeg decode a file without a complaint, and measures it.
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
		t.Errorf("%s: ffmpeg hears %.2f s of loudness %.0f, want %.2f s", format, got, loudness, want)
	}
	told, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path).Output()
	seconds, parseErr := strconv.ParseFloat(strings.TrimSpace(string(told)), 64)
	if err != nil || parseErr != nil || math.Abs(seconds-want) > 0.15*want+0.06 {
		t.Errorf("%s: ffprobe tells %q, want %.2f s: %v", format, told, want, err)
	}
}
