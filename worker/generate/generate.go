// Package generate implements processor.Generator with the upstream clients: Pollinations for images and speech, the
// language model for texts, or the providers of a list. It makes the calls of one attempt, chooses among providers and
// computes usage; package processor does retries, circuit breakers and settlement.
package generate

import (
	"context"
	"errors"
	"log/slog"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Generator implements processor.Generator.
type Generator struct {
	Media    *pollinations.Client
	Language *deepseek.Client
	// Providers serve instead of Media and Language for the kinds that have any.
	Providers provider.Set
	// Reference returns a reference image that was copied for a job, or store.ErrNotFound.
	Reference func(ctx context.Context, spec *job.Spec, r job.ReferenceImage) ([]byte, error)
	// Catalogue returns the models with their prices; if nil, usage has no costs.
	Catalogue func(context.Context) *job.Catalogue
	Log       *slog.Logger
}

// Generate makes one attempt of a job of any kind. It fails as described at processor.Generator.
func (g *Generator) Generate(ctx context.Context, t *processor.Task) (*job.Result, error) {
	switch in := t.Spec.Input.(type) {
	case *job.ImageInput:
		return g.images(ctx, t, in)
	case *job.AudioInput:
		return nil, g.speech(ctx, t, in)
	case *job.TextInput:
		return g.text(ctx, t, in)
	}
	return nil, errors.New("the job has no input")
}

func (g *Generator) speech(ctx context.Context, t *processor.Task, in *job.AudioInput) error {
	if t.Stored(0) {
		return nil
	}
	speed := 1.0
	if in.Speed != nil {
		speed = *in.Speed
	}
	request := pollinations.SpeechRequest{Text: in.Text, Voice: in.Voice, Model: in.Model, Format: in.Format, Speed: speed}
	known, _ := g.models(ctx).SpeechModel(in.Model)
	made, served, err := g.callSpeech(ctx, t, in, request, known)
	if err != nil {
		return err
	}
	return t.Store(ctx, store.Product{
		Media: job.Media{
			Index: 0, ContentType: made.ContentType, Model: made.Model, SampleRate: made.SampleRate, Channels: made.Channels,
			Usage: speechUsage(priceOf(known, served), in, made), Upstream: nameOf(served),
		},
		Data: made.Data,
	}, 1)
}

// callSpeech makes speech at the first provider that can, or without a list of providers at the only one, which is nil.
func (g *Generator) callSpeech(
	ctx context.Context, t *processor.Task, in *job.AudioInput, r pollinations.SpeechRequest, known job.Model,
) (*media.Media, *provider.Provider, error) {
	c := choice{task: t, all: g.Providers.Speech}
	if len(c.all) == 0 {
		m, err := g.Media.Speech(ctx, r)
		return m, nil, err
	}
	for _, p := range c.all {
		if _, _, ok := p.MakesSpeech(in, known); ok {
			c.able = append(c.able, p)
		}
	}
	return provide(ctx, g, c, func(ctx context.Context, p *provider.Provider) (*media.Media, error) {
		r := r
		r.Model, r.Voice, _ = p.MakesSpeech(in, known)
		return p.MakeSpeech(ctx, r)
	})
}

// nameOf returns the name of a provider; empty without one.
func nameOf(p *provider.Provider) string {
	if p == nil {
		return ""
	}
	return p.Name
}
