package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/fault"
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
		c, err := u.Language.TranslateStream(ctx, in.Text, t.say(ctx, usualTranslation(in.Text)))
		return &job.Result{Text: c.Text, Usage: textUsage(c)}, err
	}
	c, err := u.Language.ImproveStream(ctx, in.Text, t.say(ctx, usualPrompt))
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
			Index: 0, ContentType: media.ContentType, Model: media.Model, SampleRate: media.SampleRate, Channels: media.Channels,
			Usage: u.speechUsage(ctx, in, media),
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
	refused := t.Refused()
	for i := range in.Count() {
		if !t.Stored(i) && refused[i] == nil {
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
	for n, err := range errs {
		var f *fault.Error
		if in.Count() > 1 && errors.As(err, &f) && classes[f.Class] == verdictFail {
			if err := t.Refuse(ctx, missing[n], f); err != nil {
				return nil, err
			}
		}
	}
	return result, gather(missing, errs, refused)
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
		Safe: in.Safe, ReferenceImages: in.ReferenceImages, GuidanceScale: in.GuidanceScale, Reasoning: in.Reasoning,
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
// not hold the picture up: the job goes on with the caller's own words. Either choice is kept for later attempts, so that
// every picture of the job, however often it is tried, is asked for in the same words.
func (u *Upstreams) prompt(ctx context.Context, t *Task, in *job.ImageInput) (string, *job.Result, error) {
	if !in.Optimize {
		return in.Prompt, &job.Result{}, nil
	}
	optimized := t.Optimized
	if optimized == "" {
		c, err := u.improve(ctx, t, in.Prompt)
		switch {
		case err == nil:
			optimized = c.Text
		case ctx.Err() != nil:
			return "", nil, err
		case errors.Is(err, errClosed):
			// The log has said it once, for all jobs.
			optimized = in.Prompt
		default:
			u.Log.WarnContext(ctx, "cannot optimize the prompt, using the original", "error", err)
			optimized = in.Prompt
		}
		if err := t.Remember(ctx, optimized, textUsage(c)); err != nil {
			return "", nil, err
		}
	}
	if err := t.Enter(ctx, job.StageGenerating); err != nil {
		return "", nil, err
	}
	return optimized, &job.Result{Prompt: &job.PromptPair{Original: in.Prompt, Optimized: optimized}, Usage: t.usage}, nil
}

// improve has a prompt improved within half of the attempt's time, so that the other half is left for the picture. What
// may help a little later is tried once more at once: a further attempt of the whole job would cost the picture one.
func (u *Upstreams) improve(ctx context.Context, t *Task, words string) (c deepseek.Completion, err error) {
	return c, t.consult(ctx, job.UpstreamLanguage, func() error {
		c, err = u.improveTwice(ctx, t, words)
		return err
	})
}

func (u *Upstreams) improveTwice(ctx context.Context, t *Task, words string) (deepseek.Completion, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	c, err := u.Language.ImproveStream(ctx, words, t.say(ctx, 0))
	var f *fault.Error
	if errors.As(err, &f) && f.Class == fault.Retryable && ctx.Err() == nil {
		c, err = u.Language.ImproveStream(ctx, words, t.say(ctx, 0))
	}
	return c, err
}

// gather makes one error of those of single pictures, refused ones of earlier attempts among them. An error that is no
// upstream's fault stands for all.
func gather(indexes []int, errs []error, faults map[int]*fault.Error) error {
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
	return &SetFault{Faults: faults}
}
