package job

import (
	"bytes"
	"encoding/json"
	"fmt"

	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Input is the input of a job: *ImageInput, *AudioInput or *TextInput. The set is closed.
type Input interface {
	// Validate returns a FieldError for each fault.
	Validate(c *Catalogue) []FieldError
	// Complete sets omitted fields to defaults. A valid input stays valid, unless a default does not fit the request. Completing
	// an input again changes nothing.
	Complete(d Defaults, c *Catalogue)
	// Clone returns a copy that Complete can change without changing the original.
	Clone() Input
	// Estimate returns what a job with the input, which must be complete, is going to use by the prices of a catalogue.
	Estimate(c *Catalogue) Estimate
}

// ImageInput requests one to four images.
type ImageInput struct {
	Prompt      string `json:"prompt"`
	Negative    string `json:"negative,omitempty"`
	Model       string `json:"model,omitempty"`
	Width       *int   `json:"width,omitempty"`
	Height      *int   `json:"height,omitempty"`
	Seed        *int64 `json:"seed,omitempty"`
	N           *int   `json:"n,omitempty"`
	Optimize    bool   `json:"optimize,omitempty"`
	Quality     string `json:"quality,omitempty"`
	Transparent bool   `json:"transparent,omitempty"`
	NoLogo      *bool  `json:"nologo,omitempty"`
	// Safe is "true", "false" or a comma-separated list of topics of the upstream's filter.
	Safe string `json:"safe,omitempty"`
	// ReferenceImages are the URLs of reference images, which the upstream fetches and this program never does, or references to
	// stored images, as ParseReference reads them.
	ReferenceImages []string `json:"reference_images,omitempty"`
	GuidanceScale   *float64 `json:"guidance_scale,omitempty"`
	Reasoning       string   `json:"reasoning,omitempty"`
}

// Count returns how many images are requested.
func (in *ImageInput) Count() int {
	if in.N == nil {
		return 1
	}
	return *in.N
}

// Size returns the requested width and height in pixels, or the default of each.
func (in *ImageInput) Size() (width, height int) {
	width, height = defaultSide, defaultSide
	if in.Width != nil {
		width = *in.Width
	}
	if in.Height != nil {
		height = *in.Height
	}
	return width, height
}

// SeedOf returns the seed of the image with the given index: the job's seed plus the index, so that the images of a set differ
// and each can be reproduced on its own.
func (in *ImageInput) SeedOf(index int) int64 {
	if in.Seed == nil {
		return int64(index)
	}
	return (*in.Seed + int64(index)) % (MaxSeed + 1)
}

// AudioInput requests speech.
type AudioInput struct {
	Text   string   `json:"text"`
	Voice  string   `json:"voice,omitempty"`
	Model  string   `json:"model,omitempty"`
	Speed  *float64 `json:"speed,omitempty"`
	Format string   `json:"format,omitempty"`
}

// TextInput requests an improved prompt or a translation, depending on the job's kind.
type TextInput struct {
	Text string `json:"text"`
}

// NewInput returns an empty input of the type for kind. It fails when the kind is unknown.
func NewInput(kind Kind) (Input, error) {
	switch kind {
	case KindImage:
		return &ImageInput{}, nil
	case KindAudio:
		return &AudioInput{}, nil
	case KindPrompt, KindTranslation:
		return &TextInput{}, nil
	}
	return nil, fmt.Errorf("unknown kind %q", string(kind))
}

// decodeInput decodes a stored input of the given kind; nil if there is none. It ignores unknown fields, since the input was
// validated at submission.
func decodeInput(kind Kind, raw json.RawMessage) (Input, error) {
	in, err := NewInput(kind)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	if err := jsonv1.Unmarshal(raw, in); err != nil {
		return nil, fmt.Errorf("decode %s input: %w", kind, err)
	}
	return in, nil
}
