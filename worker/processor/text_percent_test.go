package processor_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/processor"
)

func TestTextPercent(t *testing.T) {
	t.Parallel()
	for _, expected := range []int{0, 1, 7, 600, 4000} {
		last := 1
		for n := range 20_000 / 37 {
			got := processor.TextPercent(strings.Repeat("猫", 37*n), expected)
			if got < last || got > 99 {
				t.Fatalf("%d of %d characters: %d%% after %d%%", 37*n, expected, got, last)
			}
			last = got
		}
		if expected > 0 && last < 90 {
			t.Errorf("%d%% far beyond the expected %d characters, want at least 90%%", last, expected)
		}
	}
	if got := processor.TextPercent(strings.Repeat("x", 300), 600); got != 40 {
		t.Errorf("half of the text is %d%%, want 40%%", got)
	}
}
