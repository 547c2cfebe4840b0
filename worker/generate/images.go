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
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
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
	known, _ := g.models(ctx).ImageModel(in.Model)
	parts := imageParts{prompt, references.images, known, newServer(t)}
	var turn sync.Mutex
	alone := references.size > maxParallelReferences
	errs := concurrently(len(missing), func(n int) error {
		if alone {
			turn.Lock()
			defer turn.Unlock()
		}
		return g.image(ctx, t, in, parts, missing[n])
	})
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

// concurrently calls f for 0 to n-1 at the same time and returns the errors, or panics if one of them has.
func concurrently(n int, f func(int) error) []error {
	errs := make([]error, n)
	if n == 1 {
		errs[0] = f(0)
		return errs
	}
	panics := make([]*goroutinePanic, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panics[i] = &goroutinePanic{value: r, stack: string(debug.Stack())}
				}
			}()
			errs[i] = f(i)
		})
	}
	wg.Wait()
	for _, p := range panics {
		if p != nil {
			// In its own goroutine the panic would end the process; here the processor recovers it.
			panic(p)
		}
	}
	return errs
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
	// model is the one of the catalogue.
	model job.Model
	// server is the provider of the set.
	server *server
}

func (g *Generator) image(ctx context.Context, t *processor.Task, in *job.ImageInput, parts imageParts, index int) error {
	width, height := in.Size()
	seed := in.SeedOf(index)
	made, served, err := g.callImage(ctx, t, in, parts, pollinations.ImageRequest{
		Prompt: parts.prompt, Negative: in.Negative, Model: in.Model, Width: width, Height: height, Seed: seed,
		Quality: in.Quality, Transparent: in.Transparent, NoLogo: in.NoLogo == nil || *in.NoLogo,
		Safe: in.Safe, ReferenceImages: parts.references, GuidanceScale: in.GuidanceScale, Reasoning: in.Reasoning,
	})
	if err != nil {
		return err
	}
	m := job.Media{
		Index: index, ContentType: made.ContentType, Width: made.Width, Height: made.Height, Seed: &seed, Model: made.Model,
		Usage: imageUsage(priceOf(parts.model, served), made), Upstream: nameOf(served),
	}
	if made.Seedless {
		m.Seed = nil
	}
	return t.Store(ctx, store.Product{Media: m, Data: made.Data}, in.Count())
}

// callImage makes an image at the first provider that can, or without a list of providers at the only one, which is nil.
func (g *Generator) callImage(
	ctx context.Context, t *processor.Task, in *job.ImageInput, parts imageParts, r pollinations.ImageRequest,
) (*media.Media, *provider.Provider, error) {
	c := choice{task: t, all: g.Providers.Images}
	if len(c.all) == 0 {
		m, err := g.Media.Image(ctx, r)
		return m, nil, err
	}
	for _, p := range c.all {
		if _, ok := p.MakesImage(in, parts.model); ok {
			c.able = append(c.able, p)
		}
	}
	m, served, err := provide(ctx, g, c.preferring(parts.server.name()), func(ctx context.Context, p *provider.Provider) (*media.Media, error) {
		r := r
		r.Model, _ = p.MakesImage(in, parts.model)
		return p.Image(ctx, r)
	})
	if err == nil {
		parts.server.served(served.Name)
	}
	return m, served, err
}

// server is the provider that made the first image of a set. The others are asked for the rest only if it fails.
type server struct {
	mu    sync.Mutex
	first string
}

// newServer returns the provider of the images that earlier attempts have stored.
func newServer(t *processor.Task) *server { return &server{first: t.StoredUpstream()} }

func (s *server) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

func (s *server) served(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == "" {
		s.first = name
	}
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
