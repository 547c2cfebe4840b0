package generate_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/generate"
)

func TestTranslationLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"你好世界": 12, "hello world.": 4, "a": 1, "": 1, "été chaud": 9, "你 a": 5} {
		if got := generate.TranslationLength(text); got != want {
			t.Errorf("%q: %d characters expected, want %d", text, got, want)
		}
	}
}
