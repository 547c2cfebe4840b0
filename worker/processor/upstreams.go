package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Upstreams is the Generator that calls the real services.
type Upstreams struct {
	Media    *pollinations.Client
	Language *deepseek.Client
	// Catalogue returns the models with their prices. Without it no cost is known.
	Catalogue func(context.Context) *job.Catalogue
	Log       *slog.Logger
}

// Generate makes one attempt of a job of any kind.
func (u *Upstreams) Generate(ctx context.Context, t *Task) (*job.Result, error) {
	switch in := t.Spec.Input.(type) {
	case *job.ImageInput:
		return u.pictures(ctx, t, in)
	case *job.AudioInput:
		return nil, u.speech(ctx, t, in)
	case *job.TextInput:
		return u.text(ctx, t, in)
	}
	return nil, errors.New("a job without an input")
}

func (u *Upstreams) text(ctx context.Context, t *Task, in *job.TextInput) (*job.Result, error) {
	if t.Spec.Kind == job.KindTranslation {
		c, err := u.Language.TranslateStream(ctx, in.Text, t.say(ctx))
		return &job.Result{Text: c.Text, Usage: textUsage(c)}, err
	}
	c, err := u.Language.ImproveStream(ctx, in.Text, t.say(ctx))
	return &job.Result{
		Text: c.Text, Prompt: &job.PromptPair{Original: in.Text, Optimized: c.Text}, Usage: textUsage(c),
	}, err
}

func (u *Upstreams) speech(ctx context.Context, t *Task, in *job.AudioInput) error {
	if t.Stored(0) {
		return nil
	}
	speed := 1.0
	if in.Speed != nil {
		speed = *in.Speed
	}
	media, err := u.Media.Speech(ctx, pollinations.SpeechRequest{
		Text: in.Text, Voice: in.Voice, Model: in.Model, Format: in.Format, Speed: speed,
	})
	if err != nil {
		return err
	}
	return t.Store(ctx, store.Product{
		Media: job.Media{
			Index: 0, ContentType: media.ContentType, Model: media.Model, Usage: u.speechUsage(ctx, in, media),
		},
		Data: media.Data,
	}, 1)
}

// pictures makes every picture that is missing, all at once: none waits for another, and one failure does not sink the
// rest.
func (u *Upstreams) pictures(ctx context.Context, t *Task, in *job.ImageInput) (*job.Result, error) {
	prompt, result, err := u.prompt(ctx, t, in)
	if err != nil {
		return nil, err
	}
	t.Note(result)
	var missing []int
	for i := range in.Count() {
		if !t.Stored(i) {
			missing = append(missing, i)
		}
	}
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
			errs[n] = u.picture(ctx, t, in, prompt, index)
		})
	}
	wg.Wait()
	for _, p := range panics {
		if p != nil {
			// Here it is caught like any other; in its own goroutine it would have ended the process.
			panic(p)
		}
	}
	return result, gather(missing, errs)
}

// goroutinePanic carries a panic to the goroutine of its attempt.
type goroutinePanic struct {
	value any
	stack string
}

func (p *goroutinePanic) String() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

func (u *Upstreams) picture(ctx context.Context, t *Task, in *job.ImageInput, prompt string, index int) error {
	width, height := in.Size()
	seed := in.SeedOf(index)
	media, err := u.Media.Image(ctx, pollinations.ImageRequest{
		Prompt: prompt, Negative: in.Negative, Model: in.Model, Width: width, Height: height, Seed: seed,
		Quality: in.Quality, Transparent: in.Transparent, NoLogo: in.NoLogo == nil || *in.NoLogo,
	})
	if err != nil {
		return err
	}
	return t.Store(ctx, store.Product{
		Media: job.Media{
			Index: index, ContentType: media.ContentType, Width: media.Width, Height: media.Height, Seed: &seed, Model: media.Model,
			Usage: u.pictureUsage(ctx, in.Model, media),
		},
		Data: media.Data,
	}, in.Count())
}

// prompt returns the words to paint and, for an optimising job, both prompts. A language model that will not help does
// not hold the picture up: the job goes on with the caller's own words. One that may help a little later is tried again.
func (u *Upstreams) prompt(ctx context.Context, t *Task, in *job.ImageInput) (string, *job.Result, error) {
	if !in.Optimize {
		return in.Prompt, &job.Result{}, nil
	}
	optimized := t.Optimized
	var usage *job.Usage
	if optimized == "" {
		c, err := u.Language.ImproveStream(ctx, in.Prompt, t.say(ctx))
		var fault *upstream.Fault
		switch {
		case err == nil:
			optimized, usage = c.Text, textUsage(c)
		case !errors.As(err, &fault), fault.Class == upstream.Canceled, fault.Class == upstream.Retryable && !t.Last:
			return "", nil, err
		default:
			u.Log.WarnContext(ctx, "prompt not improved, the caller's own is used", "error", err)
			return in.Prompt, &job.Result{}, t.Enter(ctx, job.StageGenerating)
		}
		if err := t.Remember(ctx, optimized); err != nil {
			return "", nil, err
		}
	}
	if err := t.Enter(ctx, job.StageGenerating); err != nil {
		return "", nil, err
	}
	return optimized, &job.Result{Prompt: &job.PromptPair{Original: in.Prompt, Optimized: optimized}, Usage: usage}, nil
}

// gather makes one error of those of single pictures. An error that is no upstream's fault stands for all.
func gather(indexes []int, errs []error) error {
	faults := make(map[int]*upstream.Fault)
	for n, err := range errs {
		var fault *upstream.Fault
		switch {
		case err == nil:
		case errors.As(err, &fault) && fault.Class != upstream.Canceled:
			faults[indexes[n]] = fault
		default:
			return err
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &SetFault{Faults: faults}
}
