package generate

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
)

func (g *Generator) text(ctx context.Context, t *processor.Task, in *job.TextInput) (*job.Result, error) {
	if t.Spec.Kind == job.KindTranslation {
		progress := t.TextProgress(ctx, translationLength(in.Text))
		c, served, err := g.callLanguage(ctx, t, func(ctx context.Context, client *deepseek.Client) (deepseek.Completion, error) {
			return client.Translate(ctx, in.Text, progress)
		})
		return &job.Result{Text: c.Text, Usage: textUsage(c), Upstream: nameOf(served)}, err
	}
	c, served, err := g.improve(ctx, t, in.Text, t.TextProgress(ctx, promptLength))
	return &job.Result{
		Text: c.Text, Prompt: &job.PromptPair{Original: in.Text, Optimized: c.Text}, Usage: textUsage(c), Upstream: nameOf(served),
	}, err
}

func (g *Generator) improve(ctx context.Context, t *processor.Task, text string, progress func(string)) (deepseek.Completion, *provider.Provider, error) {
	return g.callLanguage(ctx, t, func(ctx context.Context, client *deepseek.Client) (deepseek.Completion, error) {
		return client.Improve(ctx, text, progress)
	})
}

// callLanguage calls the first language model that serves, or without a list of providers the only one, which is nil.
func (g *Generator) callLanguage(
	ctx context.Context, t *processor.Task, call func(context.Context, *deepseek.Client) (deepseek.Completion, error),
) (deepseek.Completion, *provider.Provider, error) {
	all := g.Providers.Chat
	if len(all) == 0 {
		c, err := call(ctx, g.Language)
		return c, nil, err
	}
	return provide(ctx, g, choice{task: t, all: all, able: all}, func(ctx context.Context, p *provider.Provider) (deepseek.Completion, error) {
		return call(ctx, p.Chat)
	})
}

// imagePrompt returns the prompt to send and, for a job that optimizes, a result with both prompts. If the language model
// fails, the job continues with the original prompt. Either prompt is kept for later attempts, so that all images of a
// job have the same one.
func (g *Generator) imagePrompt(ctx context.Context, t *processor.Task, in *job.ImageInput) (string, *job.Result, error) {
	if !in.Optimize {
		return in.Prompt, &job.Result{}, nil
	}
	optimized := t.Optimized
	if optimized == "" {
		c, err := g.optimize(ctx, t, in.Prompt)
		switch {
		case err == nil:
			optimized = c.Text
		case ctx.Err() != nil:
			return "", nil, err
		case errors.Is(err, processor.ErrCircuitOpen):
			// This was logged when the circuit breaker opened.
			optimized = in.Prompt
		default:
			g.Log.WarnContext(ctx, "cannot optimize the prompt, using the original", "error", err)
			optimized = in.Prompt
		}
		if err := t.SetOptimized(ctx, optimized, textUsage(c)); err != nil {
			return "", nil, err
		}
	}
	if err := t.SetStage(ctx, job.StageGenerating); err != nil {
		return "", nil, err
	}
	return optimized, &job.Result{Prompt: &job.PromptPair{Original: in.Prompt, Optimized: optimized}, Usage: t.OptimizeUsage()}, nil
}

// optimize optimizes a prompt within half of the attempt's time; the other half is for the image. A retryable failure is
// retried once at once, since another attempt would count as a failure of the job, unless the model asks for a wait.
func (g *Generator) optimize(ctx context.Context, t *processor.Task, prompt string) (c deepseek.Completion, err error) {
	err = t.Guard(ctx, job.UpstreamLanguage, func() error {
		ctx := ctx
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
			defer cancel()
		}
		c, _, err = g.improve(ctx, t, prompt, t.TextProgress(ctx, 0))
		var f *fault.Error
		if errors.As(err, &f) && f.Class == fault.Retryable && f.RetryAfter == 0 && ctx.Err() == nil {
			c, _, err = g.improve(ctx, t, prompt, t.TextProgress(ctx, 0))
		}
		return err
	})
	return c, err
}

// promptLength is the usual length of an optimized prompt, in characters.
const promptLength = 600

// translationLength returns the usual length of a text's translation, in characters. A Chinese character becomes about
// three English letters, and the reverse.
func translationLength(text string) int {
	const factor = 3
	characters, wide := 0, 0
	for _, r := range text {
		characters++
		if utf8.RuneLen(r) > 2 {
			wide++
		}
	}
	if wide == 0 && len(text) == characters {
		return max(1, characters/factor)
	}
	return characters + (factor-1)*wide
}
