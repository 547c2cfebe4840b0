package server

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// defaults returns what stands in for what a request leaves open.
func defaults(cfg Config, deps Deps) (job.Defaults, error) {
	name := cfg.AudioModel
	if name == "" {
		name = catalogue.DefaultSpeechModel
	}
	model, known := deps.Catalogue.SpeechModel(name)
	if known && model.ReplacedBy != "" {
		deps.Log.WarnContext(context.Background(), "the default speech model is retired",
			slog.String("model", model.Name), slog.String("replacement", model.ReplacedBy))
		model, known = deps.Catalogue.SpeechModel(model.ReplacedBy)
	}
	if !known {
		return job.Defaults{}, &env.Fault{Name: "DEFAULT_AUDIO_MODEL", Expected: "a speech model of the catalogue"}
	}
	voice, ok := voiceNamed(model, cfg.Voice)
	if !ok && !slices.ContainsFunc(deps.Catalogue.Speech, func(m job.Model) bool { _, has := voiceNamed(m, cfg.Voice); return has }) {
		return job.Defaults{}, &env.Fault{Name: "DEFAULT_AUDIO_VOICE", Expected: "a voice of the catalogue"}
	}
	if !ok && len(model.Voices) > 0 {
		voice = model.Voices[0]
	}
	return job.Defaults{
		ImageModel: catalogue.DefaultImageModel,
		AudioModel: model.Name,
		Voice:      voice,
		Seed:       func() int64 { return rand.Int64N(job.MaxSeed + 1) }, //nolint:gosec // A seed is no secret.
	}, nil
}

// voiceNamed finds a voice of a model, whatever the letter case.
func voiceNamed(m job.Model, name string) (string, bool) {
	for _, voice := range m.Voices {
		if strings.EqualFold(voice, name) {
			return voice, true
		}
	}
	return "", false
}

// complete fills what a valid request leaves open, and writes models and voices as the catalogue does. Model and voice
// of a speech request are made to fit: a voice without a model asks for a model that has it, a model without a voice for
// one of its own.
func (s *Server) complete(in job.Input, models *job.Catalogue) {
	d := s.defaults
	switch in := in.(type) {
	case *job.ImageInput:
		d.ImageModel = standard(models.Images, d.ImageModel).Name
		if m, ok := models.ImageModel(in.Model); ok && in.Model != "" {
			in.Model = m.Name
		}
	case *job.AudioInput:
		d = speechDefaults(in, d, models)
	}
	job.Fill(in, d)
}

// standard returns the model of a name or, when the upstream no longer serves it, the first that it does.
func standard(models []job.Model, name string) job.Model {
	list := job.Catalogue{Images: models}
	if m, ok := list.ImageModel(name); ok && m.ReplacedBy == "" {
		return m
	}
	for _, m := range models {
		if m.ReplacedBy == "" {
			return m
		}
	}
	return job.Model{Name: name}
}

// speaker returns the model that has a voice: the first that lists it, else the first that takes it as a custom one.
func speaker(models []job.Model, voice string) (job.Model, bool) {
	for _, m := range models {
		if _, listed := voiceNamed(m, voice); listed && m.ReplacedBy == "" {
			return m, true
		}
	}
	for _, m := range models {
		if m.TakesVoice(voice) && m.ReplacedBy == "" {
			return m, true
		}
	}
	return job.Model{}, false
}

func speechDefaults(in *job.AudioInput, d job.Defaults, models *job.Catalogue) job.Defaults {
	usual := standard(models.Speech, d.AudioModel)
	d.AudioModel = usual.Name
	fit := func(m job.Model) {
		if _, has := voiceNamed(m, d.Voice); !has && len(m.Voices) > 0 {
			d.Voice = m.Voices[0]
		}
	}
	switch {
	case in.Model != "":
		m, ok := models.SpeechModel(in.Model)
		if !ok {
			return d
		}
		in.Model = m.Name
		if in.Voice == "" {
			fit(m)
		} else if voice, has := voiceNamed(m, in.Voice); has {
			in.Voice = voice
		}
	case in.Voice != "":
		if m, ok := speaker(append([]job.Model{usual}, models.Speech...), in.Voice); ok {
			d.AudioModel = m.Name
			if voice, listed := voiceNamed(m, in.Voice); listed {
				in.Voice = voice
			}
		}
	default:
		fit(usual)
	}
	if m, ok := models.SpeechModel(cmp.Or(in.Model, d.AudioModel)); ok {
		d.Format = formatOf(m)
	}
	return d
}

// formatOf returns the format that a model speaks in unless it is told another; empty leaves it to what is usual.
func formatOf(m job.Model) string {
	if len(m.Formats) == 0 || slices.Contains(m.Formats, "mp3") {
		return ""
	}
	return m.Formats[0]
}
