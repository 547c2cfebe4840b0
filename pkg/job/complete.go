package job

import (
	"cmp"
	"slices"
	"strings"
)

// defaultSide is the default width and height of an image, in pixels.
const defaultSide = 1024

// Complete fills in model, size, count and seed, and normalizes the spelling of the model and of choices.
func (in *ImageInput) Complete(d Defaults, c *Catalogue) {
	in.Quality, in.Reasoning, in.Safe = strings.ToLower(in.Quality), strings.ToLower(in.Reasoning), normalizeSafe(in.Safe)
	if in.Model == "" {
		in.Model = ServedModel(c.Images, d.ImageModel).Name
	} else if m, ok := c.ImageModel(in.Model); ok {
		in.Model = m.Name
	}
	width, height := in.Size()
	in.Width, in.Height = &width, &height
	if in.N == nil {
		in.N = new(1)
	}
	if in.Seed == nil || *in.Seed < 0 {
		in.Seed = new(d.Seed())
	}
}

// Complete fills in model, voice and format. A voice without a model selects a model that has the voice, and a model without a
// voice one of its voices.
func (in *AudioInput) Complete(d Defaults, c *Catalogue) {
	d = in.defaults(d, c)
	in.Model = cmp.Or(in.Model, d.AudioModel)
	in.Voice = cmp.Or(in.Voice, d.Voice)
	if in.Format == "" && in.Speed != nil && *in.Speed != 1 {
		in.Format = speedFormats()[0]
	}
	in.Format = strings.ToLower(cmp.Or(in.Format, d.Format, "mp3"))
}

// Complete does nothing: a text has no optional fields.
func (in *TextInput) Complete(Defaults, *Catalogue) {}

// defaults returns the defaults that fit the model and voice of the input, and normalizes the spelling of these.
func (in *AudioInput) defaults(d Defaults, c *Catalogue) Defaults {
	standard := ServedModel(c.Speech, d.AudioModel)
	d.AudioModel = standard.Name
	switch {
	case in.Model != "":
		m, ok := c.SpeechModel(in.Model)
		if !ok {
			return d
		}
		in.Model = m.Name
		if in.Voice == "" {
			d.Voice = m.voiceOr(d.Voice)
		} else if voice, ok := m.Voice(in.Voice); ok {
			in.Voice = voice
		}
	case in.Voice != "":
		if m, ok := modelWithVoice(append([]Model{standard}, c.Speech...), in.Voice); ok {
			d.AudioModel = m.Name
			if voice, ok := m.Voice(in.Voice); ok {
				in.Voice = voice
			}
		}
	default:
		d.Voice = standard.voiceOr(d.Voice)
	}
	if m, ok := c.SpeechModel(cmp.Or(in.Model, d.AudioModel)); ok {
		d.Format = m.defaultFormat()
	}
	return d
}

// voiceOr returns voice if the model lists it or lists none, and the model's first voice otherwise.
func (m Model) voiceOr(voice string) string {
	if _, ok := m.Voice(voice); ok || len(m.Voices) == 0 {
		return voice
	}
	return m.Voices[0]
}

// defaultFormat returns the default format of a speech model; empty means the general default.
func (m Model) defaultFormat() string {
	if len(m.Formats) == 0 || slices.Contains(m.Formats, "mp3") {
		return ""
	}
	return m.Formats[0]
}

// modelWithVoice returns the first model that lists a voice or, if there is none, the first that accepts it as a custom voice.
func modelWithVoice(models []Model, voice string) (Model, bool) {
	for _, has := range []func(Model) bool{
		func(m Model) bool { _, ok := m.Voice(voice); return ok },
		func(m Model) bool { return m.TakesVoice(voice) },
	} {
		if i := slices.IndexFunc(models, func(m Model) bool { return m.ReplacedBy == "" && has(m) }); i >= 0 {
			return models[i], true
		}
	}
	return Model{}, false
}

// Clone returns a shallow copy.
func (in *ImageInput) Clone() Input { return new(*in) }

// Clone returns a shallow copy.
func (in *AudioInput) Clone() Input { return new(*in) }

// Clone returns a copy.
func (in *TextInput) Clone() Input { return new(*in) }
