package generate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// images generates all missing images concurrently: one that fails does not fail the others.
func (g *Generator) images(ctx context.Context, t *processor.Task, in *job.ImageInput) (*job.Result, error) {
	prompt, result, err := g.imagePrompt(ctx, t, in)
	if err != nil {
		return nil, err
	}
	t.SetPartial(result)
	var missing []int
	refused := t.Refused()
	for i := range in.Count() {
		if !t.Stored(i) && refused[i] == nil {
			missing = append(missing, i)
		}
	}
	references, err := g.references(ctx, t.Spec, in, len(missing))
	if err != nil {
		return nil, err
	}
	var turn sync.Mutex
	alone := references.size > maxParallelReferences
	errs := make([]error, len(missing))
	panics := make([]*goroutinePanic, len(missing))
	var wg sync.WaitGroup
	for n, index := range missing {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panics[n] = &goroutinePanic{value: r, stack: string(debug.Stack())}
				}
			}()
			if alone {
				turn.Lock()
				defer turn.Unlock()
			}
			errs[n] = g.image(ctx, t, in, imageParts{prompt, references.images}, index)
		})
	}
	wg.Wait()
	for _, p := range panics {
		if p != nil {
			// In its own goroutine the panic would end the process; here the processor recovers it.
			panic(p)
		}
	}
	for n, err := range errs {
		var f *fault.Error
		if in.Count() > 1 && errors.As(err, &f) && f.Class.Final() {
			if err := t.Refuse(ctx, missing[n], f); err != nil {
				return nil, err
			}
		}
	}
	return result, setError(missing, errs, refused)
}

// goroutinePanic is a panic that is passed on to the goroutine of its attempt.
type goroutinePanic struct {
	value any
	stack string
}

func (p *goroutinePanic) String() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// imageParts are what the request of an image has besides the input.
type imageParts struct {
	prompt     string
	references []string
}

func (g *Generator) image(ctx context.Context, t *processor.Task, in *job.ImageInput, parts imageParts, index int) error {
	width, height := in.Size()
	seed := in.SeedOf(index)
	media, err := g.Media.Image(ctx, pollinations.ImageRequest{
		Prompt: parts.prompt, Negative: in.Negative, Model: in.Model, Width: width, Height: height, Seed: seed,
		Quality: in.Quality, Transparent: in.Transparent, NoLogo: in.NoLogo == nil || *in.NoLogo,
		Safe: in.Safe, ReferenceImages: parts.references, GuidanceScale: in.GuidanceScale, Reasoning: in.Reasoning,
	})
	if err != nil {
		return err
	}
	return t.Store(ctx, store.Product{
		Media: job.Media{
			Index: index, ContentType: media.ContentType, Width: media.Width, Height: media.Height, Seed: &seed, Model: media.Model,
			Usage: g.imageUsage(ctx, in.Model, media),
		},
		Data: media.Data,
	}, in.Count())
}

// setError combines the errors of single images and the faults of images that earlier attempts refused into one error,
// nil if there are none. An error that is not from an upstream call is returned as it is.
func setError(indexes []int, errs []error, faults map[int]*fault.Error) error {
	for n, err := range errs {
		var f *fault.Error
		switch {
		case err == nil:
		case errors.As(err, &f) && f.Class != fault.Canceled:
			faults[indexes[n]] = f
		default:
			return err
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &processor.SetError{Faults: faults}
}
