package job

import (
	"cmp"
	"strings"
	"time"
)

// Defaults are put in place of what a caller left open, at submission, so that a job means the same whenever and
// wherever it is worked.
type Defaults struct {
	ImageModel string
	AudioModel string
	Voice      string
	// Format is of speech; empty means mp3.
	Format string
	// Seed returns a random seed between 0 and MaxSeed.
	Seed func() int64
}

// Fill puts defaults in place of what in leaves open. A seed of −1 asks for a random one.
func Fill(in Input, d Defaults) { in.fill(d) }

// defaultSide is the width and height of a picture whose size is left open, in pixels.
const defaultSide = 1024

func (in *ImageInput) fill(d Defaults) {
	// A choice is taken in any letter case and told to the upstream in the one that it knows.
	in.Quality, in.Reasoning, in.Safe = strings.ToLower(in.Quality), strings.ToLower(in.Reasoning), tidySafe(in.Safe)
	if in.Model == "" {
		in.Model = d.ImageModel
	}
	width, height := in.Size()
	in.Width, in.Height = &width, &height
	if in.N == nil {
		one := 1
		in.N = &one
	}
	if in.Seed == nil || *in.Seed < 0 {
		seed := d.Seed()
		in.Seed = &seed
	}
}

func (in *AudioInput) fill(d Defaults) {
	if in.Model == "" {
		in.Model = d.AudioModel
	}
	if in.Voice == "" {
		in.Voice = d.Voice
	}
	if in.Format == "" && in.Speed != nil && *in.Speed != 1 {
		in.Format = retimed()[0]
	}
	if in.Format == "" {
		in.Format = cmp.Or(d.Format, "mp3")
	}
	in.Format = strings.ToLower(in.Format)
}

func (in *TextInput) fill(Defaults) {}

// DefaultDeadline returns how long a job of the given kind may take when its caller sets no deadline.
func DefaultDeadline(kind Kind) time.Duration {
	switch kind {
	case KindPrompt, KindTranslation:
		return 2 * time.Minute
	case KindImage, KindAudio:
	}
	return time.Hour
}
