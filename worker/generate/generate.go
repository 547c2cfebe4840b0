// Package generate implements processor.Generator with the upstream clients: Pollinations for images and speech, the
// language model for texts. It makes the calls of one attempt and computes their usage; package processor does retries,
// circuit breakers and settlement.
package generate

import (
	"context"
	"errors"
	"log/slog"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Generator implements processor.Generator.
type Generator struct {
	Media    *pollinations.Client
	Language *deepseek.Client
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
	media, err := g.Media.Speech(ctx, pollinations.SpeechRequest{
		Text: in.Text, Voice: in.Voice, Model: in.Model, Format: in.Format, Speed: speed,
	})
	if err != nil {
		return err
	}
	return t.Store(ctx, store.Product{
		Media: job.Media{
			Index: 0, ContentType: media.ContentType, Model: media.Model, SampleRate: media.SampleRate, Channels: media.Channels,
			Usage: g.speechUsage(ctx, in, media),
		},
		Data: media.Data,
	}, 1)
}
