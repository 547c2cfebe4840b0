package job

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Input is what a caller asks for: *ImageInput, *AudioInput or *TextInput. The set is closed.
type Input interface {
	// Validate returns one FieldError for each fault, none when the input can be worked.
	Validate(c *Catalogue) []FieldError
	// Complete puts defaults in place of what the caller left open. A valid input stays valid, unless a default does not go
	// with what was requested; completing it twice changes nothing more.
	Complete(d Defaults, c *Catalogue)
	// Clone returns a copy that can be completed while the original stays as it is.
	Clone() Input
}

// ImageInput asks for one to four pictures.
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
	// Safe is "true", "false" or a comma list of what the upstream's filter is to look for.
	Safe string `json:"safe,omitempty"`
	// ReferenceImages are the addresses of pictures to go by. The upstream fetches them; this program never does.
	ReferenceImages []string `json:"reference_images,omitempty"`
	GuidanceScale   *float64 `json:"guidance_scale,omitempty"`
	Reasoning       string   `json:"reasoning,omitempty"`
}

// Count returns how many pictures are asked for.
func (in *ImageInput) Count() int {
	if in.N == nil {
		return 1
	}
	return *in.N
}

// Size returns the width and height asked for, in pixels; the default where one is left open.
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

// SeedOf returns the seed of the picture with the given index: the job's seed plus the index, so that each picture of
// a set differs and each can be made again alone.
func (in *ImageInput) SeedOf(index int) int64 {
	if in.Seed == nil {
		return int64(index)
	}
	return (*in.Seed + int64(index)) % (MaxSeed + 1)
}

// AudioInput asks for speech.
type AudioInput struct {
	Text   string   `json:"text"`
	Voice  string   `json:"voice,omitempty"`
	Model  string   `json:"model,omitempty"`
	Speed  *float64 `json:"speed,omitempty"`
	Format string   `json:"format,omitempty"`
}

// TextInput asks for a better prompt or for a translation, depending on the job's kind.
type TextInput struct {
	Text string `json:"text"`
}

// NewInput returns an empty input of the right type for kind, or an error when the kind is unknown.
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

// decodeInput reads a stored input of the given kind; it returns none when there is none. Unknown fields are tolerated
// here: what is stored was validated when it came in.
func decodeInput(kind Kind, raw json.RawMessage) (Input, error) {
	in, err := NewInput(kind)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	if err := json.Unmarshal(raw, in); err != nil {
		return nil, fmt.Errorf("decode %s input: %w", kind, err)
	}
	return in, nil
}
