// Package content makes the images and the speech of the simulated upstreams. The
// same input always gives the same bytes, and nothing is fetched or read from
// disk.
package content

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"runtime"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content/internal/draw"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/content/internal/speech"
)

// Drawing describes an image. Equal drawings give equal bytes.
type Drawing = draw.Drawing

// Media is an encoded image or audio file.
type Media struct {
	ContentType string
	Filename    string
	Bytes       []byte
}

// Generator makes images and speech. It is safe for concurrent use.
type Generator struct {
	speech *speech.Speech
	slots  chan struct{}
}

// New returns a generator that draws as many images at a time as there are
// processors.
func New() *Generator {
	return &Generator{speech: speech.New(), slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))}
}

// Image draws an image. It fails when ctx ends before drawing begins.
func (g *Generator) Image(ctx context.Context, d Drawing) (Media, error) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return Media{}, fmt.Errorf("wait to draw: %w", context.Cause(ctx))
	}
	data, subtype, err := d.Encode()
	if err != nil {
		return Media{}, err
	}
	extension := map[string]string{"jpeg": "jpg", "png": "png", "svg+xml": "svg"}[subtype]
	return Media{ContentType: "image/" + subtype, Filename: slug(strings.ToValidUTF8(d.Prompt, "\uFFFD")) + "." + extension, Bytes: data}, nil
}

// Speech speaks a text with a voice. The format is mp3, wav, pcm, flac, aac or
// opus; an unknown one is encoded as MP3.
func (g *Generator) Speech(text, voice, format string) Media {
	data, contentType := g.speech.Encode(text, voice, format)
	return Media{ContentType: contentType, Filename: slug(text) + "." + format, Bytes: data}
}

// slug returns a file name for a prompt: ASCII letters, digits and dashes.
func slug(prompt string) string {
	name := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(prompt), "-"), "-")
	if name == "" {
		return fmt.Sprintf("generated-%.4x", sha256.Sum256([]byte(prompt)))
	}
	return strings.TrimRight(name[:min(len(name), 40)], "-")
}
