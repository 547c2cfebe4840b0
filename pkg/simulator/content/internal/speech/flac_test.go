package speech_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content/internal/speech"
)

// TestFramesAreNumberedLikeCharacters compares with UTF-8 wherever that has a
// number, and looks at the gap.
func TestFramesAreNumberedLikeCharacters(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff} {
		if got, want := string(speech.FrameNumber(n)), string(rune(n)); got != want {
			t.Errorf("%x: % x, want % x", n, got, want)
		}
	}
	if got := string(speech.FrameNumber(0xd800)); got != "\xed\xa0\x80" {
		t.Errorf("in the gap: % x", got)
	}
}
