package processor

import (
	"context"
	"math/big"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// nothing is the cost of what the upstream had ready.
const nothing = "0"

// pictureUsage returns what a picture used and, where the catalogue has the model's price, what it cost.
func (u *Upstreams) pictureUsage(ctx context.Context, model string, m *pollinations.Media) *job.Usage {
	usage := &job.Usage{Images: 1}
	known, _ := u.models(ctx).ImageModel(model)
	price := known.Price
	if price == nil {
		price = &job.Price{}
	}
	counted := new(big.Rat)
	if counted.SetFloat64(m.Usage.ImageTokens) == nil {
		counted = new(big.Rat)
	}
	switch {
	case price.PerImage != "":
		usage.Cost = job.Cost(price.PerImage, big.NewRat(1, 1))
	case price.PerToken != "" && counted.Sign() > 0:
		usage.Cost = job.Cost(price.PerToken, counted)
	}
	return billed(usage, price.Currency, m.CacheHit)
}

// speechUsage returns what a recording used and, where the catalogue has the model's price, what it cost.
func (u *Upstreams) speechUsage(ctx context.Context, in *job.AudioInput, m *pollinations.Media) *job.Usage {
	usage := &job.Usage{Characters: utf8.RuneCountInString(in.Text)}
	if counted := int(m.Usage.AudioCharacters); counted > 0 {
		usage.Characters = counted
	}
	currency := ""
	if known, _ := u.models(ctx).SpeechModel(in.Model); known.Price != nil {
		const thousand = 1000
		currency = known.Price.Currency
		usage.Cost = job.Cost(known.Price.PerThousandCharacters, big.NewRat(int64(usage.Characters), thousand))
	}
	return billed(usage, currency, m.CacheHit)
}

// billed completes a usage: what came out of the upstream's cache cost nothing.
func billed(usage *job.Usage, currency string, cached bool) *job.Usage {
	if cached {
		usage.Cached = 1
		if usage.Cost != "" {
			usage.Cost = nothing
		}
	}
	if usage.Cost != "" {
		usage.Currency = currency
	}
	return usage
}

func textUsage(c deepseek.Completion) *job.Usage {
	if c.PromptTokens == 0 && c.CompletionTokens == 0 {
		return nil
	}
	return &job.Usage{PromptTokens: c.PromptTokens, CompletionTokens: c.CompletionTokens}
}

// models returns the catalogue, an empty one when there is none.
func (u *Upstreams) models(ctx context.Context) *job.Catalogue {
	if u.Catalogue == nil {
		return &job.Catalogue{}
	}
	return u.Catalogue(ctx)
}

// total sums up what a job's media and texts used.
func (t *Task) total(texts *job.Usage) *job.Usage {
	usages := []*job.Usage{texts}
	for _, m := range t.stored() {
		usages = append(usages, m.Usage)
	}
	for _, p := range t.pending {
		usages = append(usages, p.Media.Usage)
	}
	return job.Sum(usages...)
}
