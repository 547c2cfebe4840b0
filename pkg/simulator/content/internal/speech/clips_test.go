package speech_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"os/exec"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content/internal/speech"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/audiotest"
)

// updateClips encodes the embedded frames again. MP3 needs the lame program.
var updateClips = flag.Bool("update-clips", false, "encode the syllable clips again with lame")

const (
	frameSamples = 1152
	clipFrames   = 7
	codecDelay   = 1105 // samples by which encoder and decoder delay the sound
)

// TestEncodeClips encodes assets/clips.mp3.
func TestEncodeClips(t *testing.T) {
	if !*updateClips {
		t.Skip("only with -update-clips")
	}
	var out []byte
	const sound = clipFrames*frameSamples - 700
	for _, clip := range speech.RenderClips(44100, sound) {
		lead := make([]int16, 3*frameSamples-codecDelay+200)
		frames := encode(t, append(append(lead, clip...), make([]int16, 6*frameSamples)...))
		for _, frame := range frames[3 : 3+clipFrames] {
			out = append(out, frame...)
		}
	}
	silence := encode(t, make([]int16, 8*frameSamples))
	out = append(out, silence[4]...)
	if err := os.WriteFile("assets/clips.mp3", out, 0o600); err != nil {
		t.Fatal(err)
	}
}

// encode runs lame without a bit reservoir, so that frames are independent.
func encode(t *testing.T, samples []int16) [][]byte {
	t.Helper()
	var raw bytes.Buffer
	if err := binary.Write(&raw, binary.LittleEndian, samples); err != nil {
		t.Fatal(err)
	}
	lame := exec.CommandContext(t.Context(), "lame", "-r", "-s", "44.1", "--bitwidth", "16", "--signed", "--little-endian",
		"-m", "m", "-b", "128", "--cbr", "--nores", "-t", "--quiet", "-", "-")
	lame.Stdin = &raw
	mp3, err := lame.Output()
	if err != nil {
		t.Fatal(err)
	}
	return audiotest.SplitMP3(t, mp3)
}
