package speech_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content/internal/speech"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/audiotest"
)

// TestEncodeAACClips encodes assets/clips.aac.
// It needs ffmpeg, for its own encoder of AAC.
func TestEncodeAACClips(t *testing.T) {
	if !*updateClips {
		t.Skip("only with -update-clips")
	}
	const rate, samples, frames, skipped = 44100, 1024, 8, 4
	args := []string{"-c:a", "aac", "-b:a", "32k", "-f", "adts"}
	cut := func(sound []int16) [][]byte { return audiotest.SplitADTS(t, ffmpeg(t, rate, sound, args...)) }
	var kept [][]byte
	for _, clip := range speech.RenderClips(rate, (frames-1)*samples) {
		// The encoder is a frame late, and a frame is heard in the one after it too.
		lead := make([]int16, skipped*samples)
		all := cut(append(append(lead, clip...), make([]int16, 6*samples)...))
		kept = append(kept, all[skipped:skipped+frames]...)
	}
	kept = append(kept, cut(make([]int16, 8*samples))[4])
	size := 0
	for _, frame := range kept {
		size = max(size, len(frame))
	}
	var out []byte
	for _, frame := range kept {
		out = append(out, padADTS(t, frame, size)...)
	}
	t.Logf("%d frames of %d bytes", len(kept), size)
	if err := os.WriteFile("assets/clips.aac", out, 0o600); err != nil {
		t.Fatal(err)
	}
}

// padADTS fills a frame up to a size, as an encoder of a constant rate does:
// programs estimate the length of a file from the size of its first frames.
func padADTS(t *testing.T, frame []byte, size int) []byte {
	t.Helper()
	var bits []byte // one each
	for _, b := range frame[7:] {
		for n := 7; n >= 0; n-- {
			bits = append(bits, b>>n&1)
		}
	}
	put := func(v, n int) {
		for n--; n >= 0; n-- {
			bits = append(bits, byte(v>>n&1))
		}
	}
	bits = bytes.TrimRight(bits, "\x00")
	end, ok := bytes.CutSuffix(bits, []byte{1, 1, 1}) // The mark of the end, which is moved.
	if !ok {
		t.Fatalf("a frame of %d bytes has no end", len(frame))
	}
	bits = end
	for {
		room := 8*(size-7) - len(bits) - 3 // bits before the mark of the end
		if room < 7 {
			break
		}
		put(6, 3)
		count := min((room-7)/8, 14)
		if room >= 15+15*8 {
			count = min((room-15)/8, 269)
			put(15, 4)
			put(count-14, 8)
		} else {
			put(count, 4)
		}
		for range count {
			put(0, 8)
		}
	}
	put(7, 3)
	out := bytes.Clone(frame[:7])
	for len(bits)%8 != 0 {
		bits = append(bits, 0)
	}
	for n := 0; n < len(bits); n += 8 {
		var b byte
		for _, bit := range bits[n : n+8] {
			b = b<<1 | bit
		}
		out = append(out, b)
	}
	if len(out) > size {
		t.Fatalf("a frame of %d bytes became one of %d, not %d", len(frame), len(out), size)
	}
	out = append(out, make([]byte, size-len(out))...)
	out[3] = out[3]&0xfc | byte(size>>11)
	out[4] = byte(size >> 3)
	out[5] = byte(size<<5) | out[5]&0x1f
	return out
}

// TestEncodeOpusClips encodes assets/clips.opus. It needs ffmpeg with libopus.
func TestEncodeOpusClips(t *testing.T) {
	if !*updateClips {
		t.Skip("only with -update-clips")
	}
	const rate, samples, packets, skipped, delay = 48000, 960, 9, 5, 312
	args := []string{"-c:a", "libopus", "-b:a", "32k", "-vbr", "on", "-frame_duration", "20", "-f", "ogg"}
	var out []byte
	add := func(packet []byte) {
		out = binary.BigEndian.AppendUint16(out, uint16(len(packet)))
		out = append(out, packet...)
	}
	cut := func(sound []int16) [][]byte { return audiotest.ReadOgg(t, ffmpeg(t, rate, sound, args...)).Packets[2:] }
	for _, clip := range speech.RenderClips(rate, packets*samples-700) {
		lead := make([]int16, skipped*samples-delay+200)
		for _, packet := range cut(append(append(lead, clip...), make([]int16, 6*samples)...))[skipped : skipped+packets] {
			add(packet)
		}
	}
	add(cut(make([]int16, 10*samples))[5])
	if err := os.WriteFile("assets/clips.opus", out, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ffmpeg encodes samples.
func ffmpeg(t *testing.T, rate int, samples []int16, output ...string) []byte {
	t.Helper()
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, samples); err != nil {
		t.Fatal(err)
	}
	input := []string{"-v", "error", "-f", "s16le", "-ac", "1", "-ar", map[int]string{44100: "44100", 48000: "48000"}[rate], "-i", "-", "-bitexact"}
	encoder := exec.CommandContext(t.Context(), "ffmpeg", append(append(input, output...), "-")...)
	encoder.Stdin, encoder.Stderr = &raw, os.Stderr
	encoded, err := encoder.Output()
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
