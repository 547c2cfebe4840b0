package draw_test

import (
	"bytes"
	"image/jpeg"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content/internal/draw"
)

// FuzzPrompt draws any prompt at any small size.
func FuzzPrompt(f *testing.F) {
	f.Add("a cat", int64(1), uint8(64), uint8(64))
	f.Add("一只猫在月光下", int64(2), uint8(200), uint8(100))
	f.Add("\x00\xff\ufffe\ufeff\u202e\u0301", int64(3), uint8(0), uint8(0))
	f.Add(strings.Repeat("👍🏽‍🚀", 200), int64(4), uint8(255), uint8(3))
	f.Add(strings.Repeat("ab ", 700), int64(5), uint8(3), uint8(255))
	f.Add("العربية עברית ไทย ｶﾅ \t\r\n...", int64(6), uint8(255), uint8(255))
	f.Fuzz(func(t *testing.T, prompt string, seed int64, width, height uint8) {
		d := draw.Drawing{Prompt: prompt, Model: "flux", Seed: seed, Width: 1 + int(width), Height: 1 + int(height)}
		data, _, err := d.Encode()
		if err != nil {
			t.Fatal(err)
		}
		config, err := jpeg.DecodeConfig(bytes.NewReader(data))
		if err != nil || config.Width != 1+int(width) || config.Height != 1+int(height) {
			t.Fatalf("%dx%d, %v", config.Width, config.Height, err)
		}
		again, _, err := d.Encode()
		if err != nil || !bytes.Equal(data, again) {
			t.Fatal("the second encoding differs")
		}
	})
}
